"""Days that roll on, slot by slot, with agents."""
