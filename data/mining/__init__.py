"""Python files of installed packages, parsed into functions and their descriptions."""
