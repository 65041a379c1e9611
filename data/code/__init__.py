"""Code as tokens: word borders, names, and the templates of shell commands."""
