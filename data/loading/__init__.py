"""Scenario, sweep and order files, read and checked as a whole."""
