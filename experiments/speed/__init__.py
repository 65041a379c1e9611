"""Speed beside other libraries: one network, one machine, a process for each implementation, turn by turn."""
