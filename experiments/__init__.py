"""Benchmark reproductions and speed measurements. Imports everything; nothing imports it."""
