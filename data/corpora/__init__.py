"""Corpora on disk: published ones, files of one's own, what is held out of them."""
