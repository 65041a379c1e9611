"""Corpora on disk: published ones, the user's own files, and the examples held out of them."""
