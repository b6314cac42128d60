"""One file for each device of a meter, and for what stands on its other side."""
