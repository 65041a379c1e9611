"""For those who learn and teach: walkthrough, exercises, worked example, the programs of the math."""
