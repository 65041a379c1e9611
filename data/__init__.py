"""From text on disk to batches of token ids. Knows nothing of the network (chapter 3.1, step 2)."""
