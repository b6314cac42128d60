"""Feeders of scenarios and stored runs: whether they hold, and what they leave to each connection."""
