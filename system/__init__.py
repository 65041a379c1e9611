"""What every command needs of the machine. Knows nothing of networks or data."""
