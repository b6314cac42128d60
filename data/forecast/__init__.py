"""What will be needed, generated and driven, from what was."""
