"""From an outbox row to a confirmed message, and what it means when the broker says no."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

from aio_pika import ExchangeType
from aio_pika.abc import AbstractConnection, AbstractExchange
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, DeliveryError, PublishError

from chassis.bus import EXCHANGE, Envelope, connect
from chassis.failpoints import FailpointError, failpoint
from chassis.telemetry import counter, publishing
from contracts.event_map import consumers_of

PUBLISH_SECONDS_MAX = 15.0
_GONE = (*CONNECTION_EXCEPTIONS, TimeoutError)

_ERRORS = counter("outbox_publish_errors_total", "Publishes that were refused or timed out", ["service"])
_RETURNS = counter("outbox_returns_total", "Messages that no queue was bound for", ["service", "expected"])


class BrokerLost(Exception):  # noqa: N818  it names what happened
    """The connection is of no more use; whatever was in flight may have arrived or not."""


class NotPublished(Exception):  # noqa: N818  as above
    """The broker refused this one message, or did not confirm it in time. `returned`: nobody was bound to it."""

    def __init__(self, problem: str, *, returned: bool = False) -> None:
        super().__init__(problem)
        self.returned = returned


class Publisher:
    """Publishes persistent, mandatory, confirmed messages over one channel."""

    def __init__(self, service: str, connection: AbstractConnection, exchange: AbstractExchange) -> None:
        self._service = service
        self._connection = connection
        self._exchange = exchange

    async def publish(self, envelope: Envelope) -> None:
        """Returns when the broker has the message safely. Raises `NotPublished` or `BrokerLost`."""
        try:
            await failpoint("relay.before_publish")
            with publishing(envelope.traceparent, f"publish {envelope.topic}", event_id=str(envelope.event_id)):
                async with asyncio.timeout(PUBLISH_SECONDS_MAX):
                    await self._exchange.publish(envelope.to_message(), envelope.routing_key, mandatory=True)
        except PublishError as error:
            self._judge_return(envelope, error)
        except (DeliveryError, TimeoutError, FailpointError) as error:
            _ERRORS.labels(self._service).inc()
            raise NotPublished(f"{type(error).__name__}: {error}") from error
        except _GONE as error:
            raise BrokerLost(f"{type(error).__name__}: {error}") from error
        await failpoint("relay.after_confirm")

    def _judge_return(self, envelope: Envelope, error: PublishError) -> None:
        """Unroutable is a failure when somebody should hear it; else its consumer is not built yet and joins later."""
        expected = bool(consumers_of(envelope.topic))
        _RETURNS.labels(self._service, str(expected).lower()).inc()
        if expected:
            raise NotPublished(f"returned as unroutable: {envelope.routing_key}", returned=True) from error

    async def watch(self) -> None:
        """Ends only with `BrokerLost`, as soon as the connection closes."""
        with _broker_errors():
            await self._connection.closed()
        raise BrokerLost("connection closed")


@asynccontextmanager
async def publisher(url: str, service: str) -> AsyncIterator[Publisher]:
    """Raises `BrokerLost` when the broker cannot be reached."""
    with _broker_errors():
        connection = await connect(url, f"{service} relay")
    try:
        with _broker_errors():
            exchange = await open_exchange(connection)
        yield Publisher(service, connection, exchange)
    finally:
        await _close(connection)


async def open_exchange(connection: AbstractConnection) -> AbstractExchange:
    """Without confirms a lost message would look published, and without `on_return_raises` an unroutable one too."""
    channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
    return await channel.declare_exchange(EXCHANGE, ExchangeType.TOPIC, durable=True)


@contextmanager
def _broker_errors() -> Iterator[None]:
    try:
        yield
    except _GONE as error:
        raise BrokerLost(f"{type(error).__name__}: {error}") from error


async def _close(connection: AbstractConnection) -> None:
    """A connection that is broken already may take its time; nobody waits for it."""
    with suppress(*_GONE):
        async with asyncio.timeout(1):
            await connection.close()
