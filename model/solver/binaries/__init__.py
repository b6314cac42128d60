"""Binaries of a program: which charger is on, which direction a meter or store has, with a certified gap."""
