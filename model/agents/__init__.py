"""Participants that plan, bid and dispatch on their own."""
