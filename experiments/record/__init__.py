"""How a figure is kept, and how it is shown that the code still computes it."""
