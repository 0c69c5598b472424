"""RabbitMQ as Packhouse uses it: one exchange, one inbox queue per service, CloudEvents on the wire (spec 1.9)."""

from chassis.bus.connection import connect
from chassis.bus.envelope import BODY_BYTES_MAX, Envelope, Stamp, StreamKey, UnreadableBody, UnusableHeaders
from chassis.bus.topology import DEAD_LETTER_EXCHANGE, EXCHANGE, dead_letter_queue, declare, inbox_queue

__all__ = [
    "BODY_BYTES_MAX",
    "DEAD_LETTER_EXCHANGE",
    "EXCHANGE",
    "Envelope",
    "Stamp",
    "StreamKey",
    "UnreadableBody",
    "UnusableHeaders",
    "connect",
    "dead_letter_queue",
    "declare",
    "inbox_queue",
]
