"""Bytes, YAML and CSV as values with their places."""
