"""One event on the wire: CloudEvents 1.0 in structured JSON, with its place in its stream repeated in the AMQP headers.

The headers decide where an event belongs, so that a body nobody can read still stops only its own aggregate. The body
decides what it says, and must agree with the headers.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from uuid import UUID

from aio_pika import DeliveryMode, Message

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aio_pika.abc import AbstractMessage

CONTENT_TYPE = "application/cloudevents+json"
BODY_BYTES_MAX = 1024 * 1024
SEQUENCE_DIGITS = 10
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
_WORD = re.compile(r"[a-z][a-z0-9_]{0,62}")
_TOPIC = re.compile(r"[a-z][a-z0-9_]{0,62}\.[a-z][a-z0-9_]{0,62}\.v[0-9]{1,4}")
_SEQ_MAX = 2**63 - 1
_EPOCH_MAX = 2**31 - 1


class UnusableHeaders(Exception):  # noqa: N818  it names what was found
    """The message does not say which stream it belongs to, so it cannot be recorded anywhere."""


class UnreadableBody(Exception):  # noqa: N818  as above
    """The stream and number are known, but what the event says is not."""


class StreamKey(NamedTuple):
    """One emitting service and one of its aggregates; tuples sort in the order in which stream rows are locked."""

    source: str
    aggregate_type: str
    aggregate_id: UUID

    def __str__(self) -> str:
        return f"{self.source}/{self.aggregate_type}/{self.aggregate_id}"


@dataclass(frozen=True, slots=True)
class Stamp:
    """The place of an event in its stream, readable without its body."""

    event_id: UUID
    topic: str
    source: str
    epoch: int
    aggregate_type: str
    aggregate_id: UUID
    seq: int
    baseline: bool = False

    @property
    def stream(self) -> StreamKey:
        return StreamKey(self.source, self.aggregate_type, self.aggregate_id)

    @classmethod
    def from_message(cls, message: AbstractMessage) -> Self:
        """Raises `UnusableHeaders` unless every header is there and has its shape."""
        headers = message.headers
        try:
            return cls(
                event_id=UUID(str(message.message_id)),
                topic=_text(headers, "topic", _TOPIC),
                source=_text(headers, "source", _WORD),
                epoch=_number(headers, "epoch", _EPOCH_MAX),
                aggregate_type=_text(headers, "aggregate_type", _WORD),
                aggregate_id=UUID(_text(headers, "aggregate_id", None)),
                seq=_number(headers, "seq", _SEQ_MAX),
                baseline=headers.get("baseline") is True,
            )
        except ValueError as error:
            raise UnusableHeaders(str(error)) from error


@dataclass(frozen=True, slots=True)
class Envelope:
    """One event with everything that travels beside its data. `data` is plain JSON, not yet read by its contract."""

    event_id: UUID
    topic: str
    source: str
    epoch: int
    aggregate_type: str
    aggregate_id: UUID
    seq: int
    baseline: bool
    occurred_at: datetime
    traceparent: str | None
    request_id: str | None
    actor: str | None
    data: dict[str, Any]

    @property
    def routing_key(self) -> str:
        """`<service>.<aggregate>.<name>.v1`."""
        return f"{self.source}.{self.aggregate_type}.{self.topic.split('.', 1)[1]}"

    @property
    def stamp(self) -> Stamp:
        return Stamp(
            self.event_id,
            self.topic,
            self.source,
            self.epoch,
            self.aggregate_type,
            self.aggregate_id,
            self.seq,
            self.baseline,
        )

    def to_json(self) -> dict[str, Any]:
        """The CloudEvents form. `sequence` is padded, so that it also sorts as text, which the extension asks for."""
        return {
            "specversion": "1.0",
            "id": str(self.event_id),
            "source": f"/packhouse/{self.source}",
            "type": self.topic,
            "subject": str(self.aggregate_id),
            "time": self.occurred_at.isoformat(),
            "datacontenttype": "application/json",
            "partitionkey": f"{self.aggregate_type}/{self.aggregate_id}",
            "sequence": str(self.seq).zfill(SEQUENCE_DIGITS),
            "epoch": self.epoch,
            "baseline": self.baseline,
            **{name: value for name, value in self._optional().items() if value is not None},
            "data": self.data,
        }

    def _optional(self) -> dict[str, str | None]:
        return {"traceparent": self.traceparent, "requestid": self.request_id, "actor": self.actor}

    def to_body(self) -> bytes:
        return _encode(self.to_json()).encode()

    def to_message(self) -> Message:
        """A persistent message; a transient one would be lost with the broker."""
        return Message(
            self.to_body(),
            message_id=str(self.event_id),
            content_type=CONTENT_TYPE,
            delivery_mode=DeliveryMode.PERSISTENT,
            headers={
                "source": self.source,
                "aggregate_type": self.aggregate_type,
                "aggregate_id": str(self.aggregate_id),
                "epoch": self.epoch,
                "seq": self.seq,
                "topic": self.topic,
                "baseline": self.baseline,
            },
        )

    @classmethod
    def from_message(cls, message: AbstractMessage) -> Self:
        """Raises `UnusableHeaders` or `UnreadableBody`."""
        return cls.read(Stamp.from_message(message), message.body)

    @classmethod
    def read(cls, stamp: Stamp, body: bytes) -> Self:
        """The event in this body. Raises `UnreadableBody`: malformed, too large, or it tells of another place."""
        if len(body) > BODY_BYTES_MAX:
            raise UnreadableBody(f"body of {len(body)} bytes, {BODY_BYTES_MAX} at most")
        try:
            envelope = cls.from_json(json.loads(body))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise UnreadableBody(f"{type(error).__name__}: {error}"[:500]) from error
        if envelope.stamp != stamp:
            raise UnreadableBody("headers and body name different events")
        return envelope

    @classmethod
    def from_json(cls, event: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`. Raises ValueError, KeyError, TypeError or AttributeError on anything else."""
        aggregate_type, _, aggregate_id = event["partitionkey"].partition("/")
        if event["specversion"] != "1.0" or not isinstance(event["data"], dict):
            raise ValueError("not a CloudEvent 1.0 with an object as data")
        return cls(
            event_id=UUID(event["id"]),
            topic=event["type"],
            source=event["source"].removeprefix("/packhouse/"),
            epoch=int(event["epoch"]),
            aggregate_type=aggregate_type,
            aggregate_id=UUID(aggregate_id),
            seq=int(event["sequence"]),
            baseline=event["baseline"] is True,
            occurred_at=datetime.fromisoformat(event["time"]),
            traceparent=event.get("traceparent"),
            request_id=event.get("requestid"),
            actor=event.get("actor"),
            data=event["data"],
        )

    @classmethod
    def from_row(cls, row: Mapping[str, Any], source: str) -> Self:
        """A row of a service's outbox, or of its archive, as it travels."""
        return cls(
            event_id=row["event_id"],
            topic=row["type"],
            source=source,
            epoch=row["epoch"],
            aggregate_type=row["aggregate_type"],
            aggregate_id=row["aggregate_id"],
            seq=row["aggregate_seq"],
            baseline=row["baseline"],
            occurred_at=row["created_at"],
            traceparent=row["traceparent"],
            request_id=row["request_id"],
            actor=row["actor"],
            data=row["payload"],
        )


def _text(headers: Mapping[str, Any], name: str, shape: re.Pattern[str] | None) -> str:
    value = headers.get(name)
    if not isinstance(value, str) or (shape and not shape.fullmatch(value)):
        raise ValueError(f"header {name} is missing or malformed")
    return value


def _number(headers: Mapping[str, Any], name: str, largest: int) -> int:
    value = headers.get(name)
    if type(value) is not int or not 1 <= value <= largest:
        raise ValueError(f"header {name} is missing or malformed")
    return value
