"""Figures of runs for notebooks, on axes of matplotlib."""
