"""Limits of the network of a run, and what accounts pay for what is scarce in it, computed again."""
