"""The strategies of fine-tuning of chapter 3.2, one file each; docs/strategies.md teaches them."""
