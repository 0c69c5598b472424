"""Tables and named statements; every one of a tenant's rows takes the store."""
