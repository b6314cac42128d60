"""Physics, money and origins recomputed from the Datasets alone."""
