"""The inputs of plans: what could be built, and days that stand for all."""
