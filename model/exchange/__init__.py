"""Orders, their matching, and the fees between them, in whole numbers."""
