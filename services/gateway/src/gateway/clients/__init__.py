"""What the gateway asks: identity for keys and sessions, and the services behind it."""
