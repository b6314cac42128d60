"""What devices do on controls of their own, where nobody plans."""
