"""Every step from one description to its code, from a trained model: in the terminal and as one page (chapter 4.1)."""
