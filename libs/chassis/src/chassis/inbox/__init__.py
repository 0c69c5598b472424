"""What a service hears: each event applied once, in the order of its aggregate, or held where everybody can see it."""

from chassis.inbox.apply import NotYet
from chassis.inbox.consumer import Consumer
from chassis.inbox.dead_letters import DeadLetter, drop_dead, list_dead, requeue_dead, show_dead
from chassis.inbox.held import HeldEvent, Reason
from chassis.inbox.operators import drop_held, list_held, retry_held, show_held
from chassis.inbox.sending import join, rebuild, replay, restored
from chassis.inbox.source import source_router

__all__ = [
    "Consumer",
    "DeadLetter",
    "HeldEvent",
    "NotYet",
    "Reason",
    "drop_dead",
    "drop_held",
    "join",
    "list_dead",
    "list_held",
    "rebuild",
    "replay",
    "requeue_dead",
    "restored",
    "retry_held",
    "show_dead",
    "show_held",
    "source_router",
]
