"""The laboratory behind `python -m experiments.ablate`: suites of training runs, and what may be said of them."""
