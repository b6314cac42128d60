"""Allocation of metered energy to the members of a community, after the fact and by a declared rule."""
