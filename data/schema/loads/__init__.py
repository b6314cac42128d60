"""Rows of tables of devices that store no electricity."""
