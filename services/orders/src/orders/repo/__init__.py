"""Rows of this service: tables and named queries. Every query of tenant data takes a `StoreScope`."""
