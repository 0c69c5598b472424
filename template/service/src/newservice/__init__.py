"""Entries of stores."""
