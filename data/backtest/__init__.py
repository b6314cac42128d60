"""Forecasts tried on what is known already."""
