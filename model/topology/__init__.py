"""Who is connected where: meters, traders, the tree of fees."""
