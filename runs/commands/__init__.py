"""What a command does and says, one function each."""
