"""Forecasts of demand, PV and driving from past readings and trips."""
