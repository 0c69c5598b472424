"""The dead-letter queue of a service: messages that could not be recorded anywhere (spec 1.9). A person decides."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from chassis.bus import connect, dead_letter_queue, declare, inbox_queue
from chassis.ids import new_id
from kernel.refusal import NotFound
from kernel.scope import Actor

if TYPE_CHECKING:
    from chassis.floor import Floor

LOOK_MAX = 1000
SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message of the dead-letter queue. `id` is a digest of what it is, stable while it lies there."""

    id: str
    message_id: str | None
    routing_key: str | None
    headers: Mapping[str, Any]
    body: bytes


async def list_dead(floor: Floor) -> list[DeadLetter]:
    """At most 1,000, oldest first; all of them stay where they are."""
    async with _channel(floor) as channel:
        return [_letter(message) async for message in _messages(floor, channel)]


async def show_dead(floor: Floor, letter_id: str) -> DeadLetter:
    """Raises `NotFound`."""
    for letter in await list_dead(floor):
        if letter.id == letter_id:
            return letter
    raise NotFound(message=f"no dead letter {letter_id}")


async def requeue_dead(floor: Floor, letter_id: str | None = None) -> int:
    """Send one, or all, to the inbox again; answers how many. What is still unusable comes back. Raises `NotFound`."""

    async def requeue(channel: AbstractChannel, message: AbstractIncomingMessage) -> None:
        copy = Message(
            message.body,
            headers={name: value for name, value in message.headers.items() if not name.startswith("x-")},
            message_id=message.message_id,
            content_type=message.content_type,
            delivery_mode=DeliveryMode.PERSISTENT,
        )
        await channel.default_exchange.publish(copy, routing_key=inbox_queue(floor.service.name), timeout=SECONDS)

    return await _take(floor, letter_id, "dead_letter.requeue", requeue)


async def drop_dead(floor: Floor, letter_id: str | None = None) -> int:
    """Remove one, or all, for good; answers how many. Raises `NotFound`."""

    async def drop(_channel: AbstractChannel, _message: AbstractIncomingMessage) -> None:
        return

    return await _take(floor, letter_id, "dead_letter.drop", drop)


async def _take(floor: Floor, letter_id: str | None, action: str, handle: Callable[..., Any]) -> int:
    """Handle, audit, acknowledge. A crash between leaves the letter where it is, and the inbox knows duplicates."""
    taken = 0
    async with _channel(floor) as channel:
        async for message in _messages(floor, channel):
            letter = _letter(message)
            if letter_id in {None, letter.id}:
                await handle(channel, message)
                await _audit(floor, action, letter)
                await message.ack()
                taken += 1
    if letter_id and not taken:
        raise NotFound(message=f"no dead letter {letter_id}")
    return taken


async def _audit(floor: Floor, action: str, letter: DeadLetter) -> None:
    facts = {"id": letter.id, "message_id": letter.message_id, "routing_key": letter.routing_key}
    actor = Actor.service(floor.service.name)
    async with floor.db.transaction(actor=actor, request_id=f"command-{new_id()}") as tx:
        tx.audit(action, "dead_letter", None, facts)


@asynccontextmanager
async def _channel(floor: Floor) -> AsyncIterator[AbstractChannel]:
    """What was looked at and not acknowledged goes back to its place when this closes."""
    connection = await connect(floor.settings.rabbitmq_url, f"{floor.service.name} dead letters")
    async with connection:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        await declare(channel, floor.service)
        yield channel


async def _messages(floor: Floor, channel: AbstractChannel) -> AsyncIterator[AbstractIncomingMessage]:
    """What lies there now, and not what comes back meanwhile because it is still unusable."""
    queue = await channel.declare_queue(dead_letter_queue(floor.service.name), passive=True)
    for _ in range(min(queue.declaration_result.message_count or 0, LOOK_MAX)):
        message = await queue.get(fail=False, timeout=SECONDS)
        if message is None:
            return
        yield message


def _letter(message: AbstractIncomingMessage) -> DeadLetter:
    digest = hashlib.sha256(f"{message.message_id}/{message.routing_key}/".encode() + message.body).hexdigest()[:12]
    headers = {name: value for name, value in message.headers.items() if name != "x-delivery-count"}
    return DeadLetter(digest, message.message_id, message.routing_key, headers, message.body)
