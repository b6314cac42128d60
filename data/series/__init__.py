"""Readings over time, weather and local days, on the slots of a horizon."""
