"""The parts of every command that deal with the machine; they know nothing of networks or data."""
