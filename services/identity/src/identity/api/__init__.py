"""Doors by who is asking: strangers (auth), members (stores), the house (admin), other services, the operator."""
