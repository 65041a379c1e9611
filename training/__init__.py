"""The parts that the loop in train.py calls: optimiser, schedule, losses, checkpoints (chapter 3.1, step 4)."""
