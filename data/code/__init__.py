"""Code as tokens: where words end, what is a name, what a shell command's template is."""
