"""Reads for screens: PostgreSQL builds the JSON, nothing here builds objects."""
