"""Ablations, studies, benchmarks, speed, and what keeps and shows their results. Nothing imports it."""
