"""Trades, accounts and the origin of energy after a solve."""
