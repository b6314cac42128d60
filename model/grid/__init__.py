"""The network as wires: what flows over a feeder, and whether it holds."""
