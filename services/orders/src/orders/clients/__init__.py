"""The outside systems of orders, each with a fake twin that passes the same tests."""
