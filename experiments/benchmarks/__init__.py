"""Benchmarks as they were published: whose score counts what as right, and our score by the same rules."""
