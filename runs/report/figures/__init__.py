"""Figures of a page: pure functions of arrays that return inline SVG with its title, description and table."""
