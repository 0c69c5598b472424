"""What a use case holds: a reader, or a transaction with its clock, its actor, its events and its audit rows."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg

from chassis.audit import AuditEntry, write_audit
from chassis.db.errors import mapped
from chassis.db.statements import Statement, rendered
from chassis.outbox.emission import Emission, prepared, write_outbox
from chassis.telemetry import continue_trace, count_statement, current_traceparent, get_logger
from contracts.event import Event
from kernel.scope import Actor

if TYPE_CHECKING:
    from chassis.bus import Envelope
    from chassis.manifest import Service

Deferred = Callable[[], Awaitable[None]]

_log = get_logger("chassis.db")


class Reader:
    """The four verbs. A statement is SQL text with `$1` arguments, or a Core statement without any.

    Every failure is one of the refusals of `chassis.db.errors`.
    """

    def __init__(self, raw: asyncpg.Connection) -> None:
        self.raw = raw

    async def fetch(self, statement: Statement, *args: object) -> list[asyncpg.Record]:
        sql, values = _counted(statement, args)
        with mapped():
            rows: list[asyncpg.Record] = await self.raw.fetch(sql, *values)
            return rows

    async def fetchrow(self, statement: Statement, *args: object) -> asyncpg.Record | None:
        """The first row, if there is one."""
        sql, values = _counted(statement, args)
        with mapped():
            return await self.raw.fetchrow(sql, *values)

    async def fetchval(self, statement: Statement, *args: object) -> Any:
        """The first column of the first row; None when there is no row."""
        sql, values = _counted(statement, args)
        with mapped():
            return await self.raw.fetchval(sql, *values)


class Tx(Reader):
    """One open transaction. What is said or audited here exists only when the block that opened it ends well."""

    def __init__(
        self, raw: asyncpg.Connection, service: "Service", actor: Actor, request_id: str, now: datetime
    ) -> None:
        super().__init__(raw)
        self.actor = actor
        self.request_id = request_id
        self.now = now
        self.cause: Envelope | None = None
        self._service = service
        self._emissions: list[Emission] = []
        self._audits: list[AuditEntry] = []
        self._at_end: list[Deferred] = []
        self._after_commit: list[Deferred] = []
        self._savepoints = 0

    async def run(self, statement: Statement, *args: object) -> int:
        """Execute, and answer how many rows were affected."""
        sql, values = _counted(statement, args)
        with mapped():
            status: str = await self.raw.execute(sql, *values)
        count = status.rpartition(" ")[2]
        return int(count) if count.isdigit() else 0

    def emit(
        self, event: Event, *, once: str | None = None, baseline: bool = False, event_id: UUID | None = None
    ) -> None:
        """Say a fact. It is checked now, and written with the next number of its aggregate when the block ends.

        `once` is a key that makes the fact be said at most once for ever; `baseline` lets it open a stream (rebuild);
        `event_id` is a fresh id that a row of the same transaction names.
        """
        emission = prepared(
            event,
            self._service.emits,
            once=once,
            baseline=baseline,
            traceparent=current_traceparent(),
            request_id=self.request_id,
            actor=self.cause.actor if self.cause and self.cause.actor else str(self.actor),
            event_id=event_id,
        )
        self._emissions.append(emission)

    def audit(
        self, action: str, target_type: str, target_id: UUID | None, payload: Mapping[str, Any] | None = None
    ) -> None:
        """Leave one audit row with this transaction."""
        entry = AuditEntry(self.actor, self.request_id, action, target_type, target_id, dict(payload or {}))
        self._audits.append(entry)

    def at_end(self, call: Deferred) -> None:
        """Run this when the block has ended well, in the transaction and before events and audit rows are written."""
        self._at_end.append(call)

    def after_commit(self, call: Deferred) -> None:
        """Run this once the transaction is committed. Its failure is logged: the answer is decided already."""
        self._after_commit.append(call)

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """A block that is undone alone, with what it said, when it raises. The exception goes on."""
        pending: tuple[list[Any], ...] = (self._emissions, self._audits, self._at_end, self._after_commit)
        marks = [len(items) for items in pending]
        self._savepoints += 1
        name = f"point_{self._savepoints}"
        await self.run(f"savepoint {name}")
        try:
            yield
        except BaseException:
            for items, mark in zip(pending, marks, strict=True):
                del items[mark:]
            await self.run(f"rollback to savepoint {name}")
            raise
        await self.run(f"release savepoint {name}")

    @contextmanager
    def adopt(self, envelope: "Envelope") -> Iterator[None]:
        """Work on behalf of an event: its trace and request go on, and this service acts for whoever caused it."""
        before = (self.cause, self.actor, self.request_id)
        self.cause = envelope
        self.actor = Actor(kind="service", name=self._service.name, user_id=_user_in(envelope.actor), role="service")
        self.request_id = envelope.request_id or self.request_id
        try:
            with continue_trace(envelope.traceparent, f"apply {envelope.topic}", event_id=str(envelope.event_id)):
                yield
        finally:
            self.cause, self.actor, self.request_id = before

    async def flush(self) -> bool:
        """Do what waits for the end, in its order (spec 16.1). Tells whether events were written."""
        for call in self._at_end:
            await call()
        with mapped():
            if self._emissions:
                await write_outbox(self.raw, self._service.name, self._emissions)
            if self._audits:
                await write_audit(self.raw, self._audits)
        return bool(self._emissions)

    async def run_after_commit(self) -> None:
        for call in self._after_commit:
            try:
                await call()
            except Exception as error:  # noqa: BLE001  the transaction is committed, so this cannot change the answer
                _log.error("db.after_commit_failed", error=str(error), exc_info=error)


def _counted(statement: Statement, args: Sequence[object]) -> tuple[str, Sequence[object]]:
    count_statement()
    return rendered(statement, args)


def _user_in(actor: str | None) -> UUID | None:
    """The user that `str(Actor)` names, if it names one."""
    kind, _, name = (actor or "").partition(":")
    try:
        return UUID(name) if kind == "user" else None
    except ValueError:
        return None
