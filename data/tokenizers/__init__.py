"""From text to token ids and back: our own tokenizer, and those of published checkpoints."""
