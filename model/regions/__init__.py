"""A fee tree cut into regions, and the gap that their optima leave."""
