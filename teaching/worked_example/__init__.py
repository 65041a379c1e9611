"""The worked example of docs/the_math.md: a Transformer small enough for pencil and paper, and all its numbers.

Three source tokens, two target tokens, width 4, two heads, one layer on each side, weights that are halves and small
integers. The NumPy reference computes the numbers; tests compare what stands in the page with the PyTorch network and
with a third derivation that uses neither.
"""
