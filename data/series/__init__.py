"""Measured series, weather and days, on the slots of a horizon."""
