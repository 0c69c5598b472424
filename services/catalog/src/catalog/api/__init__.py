"""Doors, by who is asking."""
