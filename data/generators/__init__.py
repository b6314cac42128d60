"""Demand, PV and trips from documented models, where nothing was measured."""
