"""How days and moments are written for people; Django looks here before its own."""
