"""Fair splits of what a community gains together, and how equal they are."""
