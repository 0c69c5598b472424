"""Paths, routes, guards and headers: values in, values out."""
