"""Exchanges, queues and bindings, all from the manifest (reliability 3.2)."""

from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel

from chassis.manifest import Service

EXCHANGE = "packhouse.events"
DEAD_LETTER_EXCHANGE = "packhouse.dlx"
DELIVERY_LIMIT = 20
"""A crash of the consumer counts against every message it had not acknowledged: a low limit would catch innocents."""


def inbox_queue(service: str) -> str:
    return f"{service}.inbox"


def dead_letter_queue(service: str) -> str:
    return f"{service}.dlq"


async def declare(channel: AbstractChannel, service: Service) -> None:
    """Make what this service needs exist. Harmless to repeat; an argument that differs from what exists is an error."""
    events = await channel.declare_exchange(EXCHANGE, ExchangeType.TOPIC, durable=True)
    if not service.bindings:
        return
    dead = await channel.declare_exchange(DEAD_LETTER_EXCHANGE, ExchangeType.DIRECT, durable=True)
    dlq = await channel.declare_queue(
        dead_letter_queue(service.name), durable=True, arguments={"x-queue-type": "quorum"}
    )
    await dlq.bind(dead, routing_key=dead_letter_queue(service.name))
    inbox = await channel.declare_queue(
        inbox_queue(service.name),
        durable=True,
        arguments={
            "x-queue-type": "quorum",
            "x-single-active-consumer": True,
            "x-delivery-limit": DELIVERY_LIMIT,
            "x-dead-letter-exchange": DEAD_LETTER_EXCHANGE,
            "x-dead-letter-routing-key": dead_letter_queue(service.name),
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        },
    )
    for source, aggregate in sorted(service.bindings):
        await inbox.bind(events, routing_key=f"{source}.{aggregate}.#")
