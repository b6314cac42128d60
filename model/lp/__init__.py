"""Array algebra that ends in Pyomo components and one sparse matrix."""
