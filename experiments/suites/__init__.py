"""One file a suite: data alone, read by `python -m experiments.ablate`."""
