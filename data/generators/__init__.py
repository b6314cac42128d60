"""Demand, PV and trips that nobody measured, from documented models."""
