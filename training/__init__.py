"""What the loop in train.py calls: optimiser groups, schedules, losses, checkpoints (chapter 3.1, step 4)."""
