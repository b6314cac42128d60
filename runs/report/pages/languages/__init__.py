"""Phrases of pages, and what they are called in other languages."""
