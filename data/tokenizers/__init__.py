"""Text to token ids and back: our own tokenizer, and those of other people's checkpoints."""
