"""The one way an event changes anything: number, effect and commit in one transaction (spec 1.9, reliability 3.3).

`apply` takes any deliveries. Those that are exactly the next numbers of their streams are moved by one statement and
handled in one transaction for all of them; that is the common case, with four round trips besides the handlers. The
others, and all of a transaction that failed, are settled stream by stream, each event in a savepoint of its own.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from pydantic import ValidationError

from chassis.bus import Envelope, StreamKey, UnreadableBody
from chassis.failpoints import failpoint
from chassis.inbox import held, streams
from chassis.inbox.held import TRIED_ALONE, Delivery, HeldEvent, Reason
from chassis.inbox.streams import Run, Stream, Verdict
from chassis.telemetry import bound, counter, get_logger, histogram
from kernel.refusal import Refusal, Unavailable
from kernel.scope import Actor

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from chassis.db import Database, Tx
    from chassis.manifest import Service
    from contracts.event import Event

HANDLER_SECONDS = 8.0
"""Under the 10 s after which the database ends an idle transaction."""
DRAIN_MAX = 32
ALARM_ATTEMPTS = 3
NOT_YET_PATIENCE = timedelta(seconds=30)

_log = get_logger(__name__)
_outcomes = counter("inbox_events_total", "Deliveries by what became of them", ("outcome",))
_failures = counter("inbox_failures_total", "Failed attempts at an event", ("topic", "reason"))
_alarms = counter("inbox_alarms_total", "Failed attempts after which a person should look", ("topic",))
_lag = histogram("inbox_lag_seconds", "From the fact to its effect here", ("source",))


class NotYet(Exception):  # noqa: N818  it is news, not a fault
    """The handler needs a fact of another service that has not come: tried again, with an alarm only after 30 s."""


@dataclass(slots=True)
class Applied:
    """What one transaction did, told once it is committed."""

    events: list[tuple[Delivery, Envelope | None]] = field(default_factory=list)
    retries: bool = False


class Applier:
    """Applies deliveries to one service's database. `on_applied` hears of each batch after its commit."""

    def __init__(
        self, service: Service, db: Database, on_applied: Callable[[Sequence[Delivery]], None] = lambda _: None
    ) -> None:
        self._service = service
        self._db = db
        self._handlers = service.handlers
        self._on_applied = on_applied

    async def apply(self, deliveries: Sequence[Delivery]) -> bool:
        """Returns when each is applied, found to be a duplicate, or held; says whether something now waits for a retry.

        Raises `Unavailable` when the database is away: then nothing is known, and the same deliveries come again.
        """
        groups = _by_stream(deliveries)
        advanced = await self._advance(
            {key: run for key, group in groups.items() if (run := _run_of(key, group))}, groups
        )
        retries = False
        for key, group in groups.items():
            if key not in advanced:
                retries |= await self.settle(key, group)
            elif advanced[key]:
                retries |= await self.settle(key)
        return retries

    async def _advance(
        self, runs: Mapping[StreamKey, Run], groups: Mapping[StreamKey, Sequence[Delivery]]
    ) -> dict[StreamKey, bool]:
        """The streams that were moved and handled, and whether a held event follows; none when anything failed."""
        if not runs:
            return {}
        applied = Applied()
        try:
            async with self._transaction() as tx:
                advanced = await streams.advance(tx, list(runs.values()))
                for key in advanced:
                    for delivery in groups[key]:
                        applied.events.append((delivery, await self._handle(tx, delivery)))
                await failpoint("inbox.before_commit")
        except Exception as error:  # noqa: BLE001  each event is tried again by itself, and what failed is held there
            _log.debug("inbox.batch_failed", size=len(runs), problem=f"{type(error).__name__}: {error}"[:300])
            return {}
        await self._tell(applied)
        return advanced

    async def settle(
        self, key: StreamKey, deliveries: Sequence[Delivery] = (), *, retry: bool = False, at_most: int = DRAIN_MAX
    ) -> bool:
        """Bring one stream as far as it goes: these deliveries in order, then the held events that follow.

        `retry` tries the event that blocks the stream, and at most so many held events in all. Says whether something
        now waits for a retry. Raises `Unavailable` as `apply` does.
        """
        applied = Applied()
        async with self._transaction() as tx:
            stream = await streams.lock(tx, key, deliveries[0].stamp.epoch if deliveries else 1)
            before = stream.last_seq
            if retry:
                stream.blocked = False
            for delivery in deliveries:
                await self._receive(tx, stream, delivery, applied)
            if not stream.blocked:
                await self._drain(tx, stream, applied, at_most, retry=retry)
            if stream.last_seq != before:
                await held.forget(tx, key, stream.last_seq)
            await streams.save(tx, stream)
            await failpoint("inbox.before_commit")
        await self._tell(applied)
        return applied.retries

    def _transaction(self) -> AbstractAsyncContextManager[Tx]:
        return self._db.transaction(actor=Actor.service(self._service.name), request_id="inbox")

    async def _receive(self, tx: Tx, stream: Stream, delivery: Delivery, applied: Applied) -> None:
        stamp = delivery.stamp
        verdict = stream.verdict(stamp, closes_gap=delivery.closes_gap)
        if verdict is Verdict.RESTART:
            await held.discard(tx, stream.key, None)
            _log.warning("inbox.stream_restarted", stream=str(stream.key), epoch=stamp.epoch, last_seq=stream.last_seq)
            stream.restart(stamp.epoch)
            verdict = stream.verdict(stamp)
        if verdict is Verdict.OPEN:
            await self._open(tx, stream, delivery)
            verdict = Verdict.APPLY
        if verdict is Verdict.DUPLICATE:
            _outcomes.labels(outcome="duplicate").inc()
        elif verdict is Verdict.HOLD:
            await held.hold(tx, delivery, Reason.REDELIVERED if delivery.suspicious else Reason.WAITING)
            _outcomes.labels(outcome="held").inc()
        elif delivery.suspicious:
            await held.hold(tx, delivery, Reason.REDELIVERED, now=True)
            stream.blocked = applied.retries = True
            _log.error("inbox.suspicious_held", stream=str(stream.key), seq=stamp.seq, topic=stamp.topic)
        else:
            await self._attempt(tx, stream, HeldEvent(delivery, 0, Reason.WAITING, None, tx.now, None), applied)

    async def _open(self, tx: Tx, stream: Stream, delivery: Delivery) -> None:
        """Go on from a baseline. On a stream with history it jumps a gap that nobody can fill: a person must know."""
        stamp = delivery.stamp
        if not stream.is_new:
            passed = {"source": stamp.source, "after": stream.last_seq, "baseline": stamp.seq}
            _log.error("inbox.gap_closed_by_baseline", stream=str(stream.key), **passed)
            _alarms.labels(topic=stamp.topic).inc()
            tx.audit("event.gap_closed", stamp.aggregate_type, stamp.aggregate_id, passed)
        await held.discard(tx, stream.key, stamp.seq)
        stream.last_seq = stamp.seq - 1

    async def _drain(self, tx: Tx, stream: Stream, applied: Applied, at_most: int, *, retry: bool) -> None:
        """Take the held events that follow, until one fails, or must be tried alone and has others beside it."""
        for place, event in enumerate(await held.following(tx, stream.key, stream.last_seq, at_most)):
            if event.reason in TRIED_ALONE and (place or not retry):
                stream.blocked = True
                break
            await self._attempt(tx, stream, event, applied)
            if stream.blocked:
                return
        applied.retries |= await held.wake_next(tx, stream.key, stream.last_seq)

    async def _attempt(self, tx: Tx, stream: Stream, event: HeldEvent, applied: Applied) -> None:
        """Handle the next event of the stream; a failure is held, and blocks the stream."""
        delivery = event.delivery
        try:
            async with tx.savepoint():
                envelope = None if event.reason is Reason.DROPPED else await self._handle(tx, delivery)
        except Exception as error:
            if tx.raw.is_closed():
                raise Unavailable("database") from error
            attempts = event.attempts or 1
            reason = _reason_of(error)
            await held.fail(tx, delivery, attempts, reason, f"{type(error).__name__}: {error}")
            _complain(event, attempts, reason, error, tx)
            stream.blocked = applied.retries = True
        else:
            stream.last_seq, stream.blocked = delivery.stamp.seq, False
            applied.events.append((delivery, envelope))

    async def _handle(self, tx: Tx, delivery: Delivery) -> Envelope | None:
        """Run the consumer of this topic. None: the manifest does not name the topic, so only the number moves."""
        handler = self._handlers.get(delivery.stamp.topic)
        if handler is None:
            return None
        model, consumer = handler
        envelope = Envelope.read(delivery.stamp, delivery.body)
        event = _read(model, envelope)
        with tx.adopt(envelope), bound(request_id=envelope.request_id, event_id=str(envelope.event_id)):
            await failpoint("inbox.handler")
            async with asyncio.timeout(HANDLER_SECONDS):
                await consumer(tx, event)
        return envelope

    async def _tell(self, applied: Applied) -> None:
        """What is said only of what is committed: a line per event, the counters, the markers."""
        await failpoint("inbox.after_commit")
        for delivery, envelope in applied.events:
            stamp = delivery.stamp
            if envelope is None:
                _outcomes.labels(outcome="passed").inc()
                continue
            _outcomes.labels(outcome="applied").inc()
            _lag.labels(source=stamp.source).observe(max(0.0, time.time() - envelope.occurred_at.timestamp()))
            _log.info(
                "event.applied",
                topic=stamp.topic,
                event_id=str(stamp.event_id),
                source=stamp.source,
                aggregate_id=str(stamp.aggregate_id),
                seq=stamp.seq,
                request_id=envelope.request_id,
                trace_id=_trace_id(envelope.traceparent),
            )
        self._on_applied([delivery for delivery, _ in applied.events])


def _by_stream(deliveries: Sequence[Delivery]) -> dict[StreamKey, list[Delivery]]:
    """Deliveries by stream, streams in key order, each in order of epoch and number."""
    groups: defaultdict[StreamKey, list[Delivery]] = defaultdict(list)
    for delivery in sorted(deliveries, key=lambda one: (one.stamp.stream, one.stamp.epoch, one.stamp.seq)):
        groups[delivery.stamp.stream].append(delivery)
    return dict(groups)


def _run_of(key: StreamKey, group: Sequence[Delivery]) -> Run | None:
    """The group as one step of its stream; None when its numbers are not contiguous or one of them needs care."""
    first, last = group[0].stamp, group[-1].stamp
    contiguous = all(one.stamp.seq == first.seq + place for place, one in enumerate(group))
    careful = any(one.suspicious or one.closes_gap for one in group)
    if careful or not contiguous or first.epoch != last.epoch:
        return None
    return Run(key, first.epoch, first.seq, last.seq, opens=first.seq == 1 or first.baseline)


def _read(model: type[Event], envelope: Envelope) -> Event:
    try:
        event: Event = model.read(envelope.data)
    except ValidationError as error:
        raise UnreadableBody(str(error)) from error
    if event.aggregate_id != envelope.aggregate_id:
        raise UnreadableBody("the data tells of another aggregate")
    return event


def _reason_of(error: Exception) -> Reason:
    if isinstance(error, NotYet):
        return Reason.NOT_YET
    if isinstance(error, UnreadableBody):
        return Reason.UNREADABLE
    if isinstance(error, Refusal) and not isinstance(error, Unavailable):
        return Reason.REFUSED
    return Reason.FAILED


def _complain(event: HeldEvent, attempts: int, reason: Reason, error: Exception, tx: Tx) -> None:
    stamp = event.stamp
    _failures.labels(topic=stamp.topic, reason=reason).inc()
    patient = reason is Reason.NOT_YET and tx.now - event.held_at < NOT_YET_PATIENCE
    alarming = attempts >= ALARM_ATTEMPTS and not patient
    if alarming:
        _alarms.labels(topic=stamp.topic).inc()
    say = _log.error if alarming else _log.warning
    say(
        "inbox.alarm" if alarming else "inbox.attempt_failed",
        stream=str(stamp.stream),
        seq=stamp.seq,
        topic=stamp.topic,
        event_id=str(stamp.event_id),
        attempts=attempts,
        reason=reason.value,
        problem=f"{type(error).__name__}: {error}"[:500],
        exc_info=error if reason is Reason.FAILED else None,
    )


def _trace_id(traceparent: str | None) -> str | None:
    parts = (traceparent or "").split("-")
    return parts[1] if len(parts) == 4 else None  # noqa: PLR2004  the four fields of a W3C traceparent
