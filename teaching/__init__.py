"""Material for learning and teaching: walkthrough, exercises, worked example, the programs of the math."""
