"""Tables and named statements. Nothing outside this package knows a table."""
