"""The doors of orders, by who is asking."""
