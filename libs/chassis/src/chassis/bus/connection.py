"""Connections to the broker. Whoever holds one opens the next itself, and knows what has to be done again."""

from aio_pika import connect as open_connection
from aio_pika.abc import AbstractConnection

HEARTBEAT_SECONDS = 9
"""RabbitMQ gives up a silent peer after two to three; a paused consumer shall be replaced within 30 s (F-D15)."""

CONNECT_SECONDS = 5


async def connect(url: str, name: str) -> AbstractConnection:
    """An open connection, shown under `name` by the broker. It is never re-opened behind the caller's back.

    A peer that stops answering is noticed within three heartbeats. Raises OSError, TimeoutError or an AMQP error.
    """
    mark = "&" if "?" in url else "?"
    return await open_connection(
        f"{url}{mark}heartbeat={HEARTBEAT_SECONDS}",
        timeout=CONNECT_SECONDS,
        client_properties={"connection_name": name},
    )
