"""The doors, by who is asking."""
