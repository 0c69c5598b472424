"""Reads for screens: JSON that PostgreSQL builds, each for one store."""
