"""Loads that wait, run in a fixed shape, or may be shed."""
