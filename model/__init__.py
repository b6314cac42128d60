"""Datasets in, Datasets out: the mathematics. No files, no clock."""
