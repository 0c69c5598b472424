"""Facts of a transaction on their way into the outbox: checked when they are said, numbered when it ends."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from chassis.ids import new_id
from contracts.event import Event

PAYLOAD_BYTES_MAX = 900 * 1024
"""Below what a consumer reads, so that nothing is committed that cannot be delivered."""


class UndeclaredEvent(TypeError):  # noqa: N818  it names what was found
    """The manifest does not say that this service emits the event."""


@dataclass(frozen=True, slots=True)
class Emission:
    """One fact with what was known when it was said; `payload` is its JSON text."""

    event_id: UUID
    type: str
    aggregate_type: str
    aggregate_id: UUID
    payload: str
    once: str | None
    baseline: bool
    traceparent: str | None
    request_id: str | None
    actor: str | None


def prepared(
    event: Event,
    emits: AbstractSet[type[Event]],
    *,
    once: str | None,
    baseline: bool,
    traceparent: str | None,
    request_id: str | None,
    actor: str | None,
    event_id: UUID | None = None,
) -> Emission:
    """Raises as `checked_payload` does."""
    return Emission(
        event_id=event_id or new_id(),
        type=event.topic,
        aggregate_type=event.aggregate,
        aggregate_id=event.aggregate_id,
        payload=checked_payload(event, emits),
        once=once,
        baseline=baseline,
        traceparent=traceparent,
        request_id=request_id,
        actor=actor,
    )


def checked_payload(event: Event, emits: AbstractSet[type[Event]]) -> str:
    """The event as JSON. Raises `UndeclaredEvent`, ValueError when it is too large to publish, or pydantic's
    ValidationError when it does not fit its closed model, however it was made.
    """
    kind = type(event)
    if kind not in emits:
        raise UndeclaredEvent(f"{kind.__name__} is not in the manifest's emits")
    payload = event.model_dump_json()
    kind.model_validate_json(payload)
    if len(payload.encode()) > PAYLOAD_BYTES_MAX:
        raise ValueError(f"{kind.topic} is too large to publish")
    return payload


# The order of locks is the same in every transaction: keys of once-only facts sorted, then aggregates sorted. A key
# that is there already removes its fact before anything is counted, so no number is left unused.
FLUSH = """
with said as materialized (
    select * from unnest(
        $1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::text[],
        $6::text[], $7::bool[], $8::text[], $9::text[], $10::text[]
    ) with ordinality as s (
        event_id, type, aggregate_type, aggregate_id, payload, once, baseline, traceparent, request_id, actor, place
    )
), claimed as (
    insert into outbox_dedupe (key) select once from said where once is not null order by once
    on conflict do nothing returning key
), kept as materialized (
    select * from said where once is null or once in (select key from claimed)
), counted as (
    insert into aggregate_cursor as c (aggregate_type, aggregate_id, last_seq)
    select aggregate_type, aggregate_id, count(*) from kept group by 1, 2 order by 1, 2
    on conflict (aggregate_type, aggregate_id)
        do update set last_seq = c.last_seq + excluded.last_seq, updated_at = excluded.updated_at
    returning c.aggregate_type, c.aggregate_id, c.last_seq
), written as (
    insert into outbox (event_id, type, aggregate_type, aggregate_id, aggregate_seq, epoch, baseline, payload,
                        traceparent, request_id, actor)
    select event_id, type, aggregate_type, aggregate_id,
           last_seq + 1 - row_number() over (partition by aggregate_type, aggregate_id order by place desc),
           (select epoch from stream_epoch), baseline, payload::jsonb, traceparent, request_id, actor
    from kept join counted using (aggregate_type, aggregate_id)
    order by place
    returning 1
)
select pg_notify($11, '') from written limit 1
"""


def channel_of(service: str) -> str:
    """The NOTIFY channel that wakes a service's relay."""
    return f"packhouse_{service}"


async def write_outbox(connection: asyncpg.Connection, service: str, emissions: Sequence[Emission]) -> None:
    """Give every fact the next number of its aggregate and write them in the order they were said, in one statement."""
    rows = _without_repeats(emissions)
    await connection.fetch(
        FLUSH,
        [row.event_id for row in rows],
        [row.type for row in rows],
        [row.aggregate_type for row in rows],
        [row.aggregate_id for row in rows],
        [row.payload for row in rows],
        [row.once for row in rows],
        [row.baseline for row in rows],
        [row.traceparent for row in rows],
        [row.request_id for row in rows],
        [row.actor for row in rows],
        channel_of(service),
    )


def _without_repeats(emissions: Sequence[Emission]) -> list[Emission]:
    """A transaction that says a once-only fact twice says it once."""
    first = {row.once: row for row in reversed(emissions) if row.once is not None}
    return [row for row in emissions if row.once is None or first[row.once] is row]
