"""Facts that leave a service: written with the change that made them true, published once in order, kept 30 days."""

from chassis.outbox.relay import Relay

__all__ = ["Relay"]
