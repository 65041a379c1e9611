"""The folder of a run: its settings, its checkpoints, what it remembers."""
