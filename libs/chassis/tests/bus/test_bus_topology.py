"""Queues as reliability 3.2 has them, on a real broker."""

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest
from aio_pika import Message
from aio_pika.abc import AbstractChannel
from aio_pika.exceptions import ChannelPreconditionFailed

from chassis.bus import DEAD_LETTER_EXCHANGE, EXCHANGE, connect, declare
from chassis.db import Tx
from chassis.manifest import Service
from chassis.settings import ServiceSettings
from contracts.event import Event


class TidesTurned(Event, topic="moon.tides_turned.v1", aggregate="tide", key="tide_id"):
    tide_id: UUID


async def listen(_tx: Tx, _event: TidesTurned) -> None:
    return


SHORE = Service(name="shore", settings=ServiceSettings, consumes={TidesTurned: listen})
MOON = Service(name="moon", settings=ServiceSettings, emits={TidesTurned})


@pytest.fixture
async def channel(rabbitmq_url: str) -> AsyncIterator[AbstractChannel]:
    async with await connect(rabbitmq_url, "test") as connection:
        yield await connection.channel()


async def test_an_inbox_is_bound_to_whole_aggregates_and_has_a_dead_letter_queue(channel: AbstractChannel) -> None:
    await declare(channel, SHORE)
    inbox, dlq = await channel.get_queue("shore.inbox"), await channel.get_queue("shore.dlq")
    await inbox.purge()
    await dlq.purge()
    exchange = await channel.get_exchange(EXCHANGE)
    body = str(uuid4()).encode()

    await exchange.publish(Message(body), routing_key="moon.tide.something_new.v2")
    async with inbox.iterator(timeout=5) as deliveries:
        await (await anext(deliveries)).reject(requeue=False)
    async with dlq.iterator(timeout=5) as deliveries:
        dead = await anext(deliveries)
        await dead.ack()

    assert (dead.body, dead.exchange, dead.routing_key) == (body, DEAD_LETTER_EXCHANGE, "shore.dlq")


@pytest.mark.parametrize(
    "argument",
    [
        "x-single-active-consumer",
        "x-delivery-limit",
        "x-dead-letter-exchange",
        "x-dead-letter-strategy",
        "x-overflow",
    ],
)
@pytest.mark.plant("no delivery limit")
async def test_the_inbox_has_every_argument_that_keeps_its_promises(rabbitmq_url: str, argument: str) -> None:
    wanted = {
        "x-queue-type": "quorum",
        "x-single-active-consumer": True,
        "x-delivery-limit": 20,
        "x-dead-letter-exchange": "packhouse.dlx",
        "x-dead-letter-routing-key": "shore.dlq",
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }
    async with await connect(rabbitmq_url, "test") as connection:
        await declare(await connection.channel(), SHORE)
        await (await connection.channel()).declare_queue("shore.inbox", durable=True, arguments=wanted)  # type: ignore[arg-type]
        del wanted[argument]
        with pytest.raises(ChannelPreconditionFailed):
            await (await connection.channel()).declare_queue("shore.inbox", durable=True, arguments=wanted)  # type: ignore[arg-type]


async def test_a_service_that_hears_nothing_has_the_exchange_and_no_queue(rabbitmq_url: str) -> None:
    async with await connect(rabbitmq_url, "test") as connection:
        await declare(await connection.channel(), MOON)
        assert await (await connection.channel()).get_exchange(EXCHANGE)
        with pytest.raises(Exception, match="NOT_FOUND"):
            await (await connection.channel()).get_queue("moon.inbox")
