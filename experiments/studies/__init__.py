"""Studies: one question, one file, one command each."""
