"""The programs behind docs/the_math.md: its numbers, its checks, what breaks without a piece."""
