"""All that writes pages from recorded lines (`python -m experiments.results`)."""
