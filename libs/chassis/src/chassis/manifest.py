"""The table of contents of a service: every door in, event out, event in and clock, declared in one place.

It is binding: the app, worker, queues, scheduler, command line, event map and AsyncAPI document are built from it, and
what it does not name cannot happen.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from contracts.event import Event, Snapshot

if TYPE_CHECKING:
    import asyncio

    from sqlalchemy import MetaData
    from starlette.types import ASGIApp

    from chassis.db import Reader, Tx
    from chassis.floor import Floor
    from chassis.jobs import JobRun
    from chassis.settings import ServiceSettings
    from chassis.web import Router

Consumer = Callable[["Tx", Any], Awaitable[None]]
Check = Callable[["Floor"], Awaitable[None]]
ClientFactory = Callable[["Floor"], Any]
Part = Callable[["Floor", "asyncio.Event"], Coroutine[Any, Any, None]]


class SnapshotSource(Protocol):
    """Reads the present snapshots of one aggregate type in id order; `only` asks for a single aggregate."""

    async def __call__(
        self, db: Reader, *, only: UUID | None = None, after: UUID | None = None, limit: int = 200
    ) -> Sequence[Snapshot]: ...


@dataclass(frozen=True, slots=True)
class Job:
    """Work that a clock starts. `every` is the period; who runs it is decided by a lease (spec 1.8)."""

    every: timedelta
    run: Callable[[JobRun], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Command:
    """A further command of `python -m chassis <service>`; `run` gets the open floor and the remaining arguments."""

    help: str
    run: Callable[[Floor, Sequence[str]], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Service:
    """One service.

    `parts` are further loops of its worker, each beside relay, consumer and jobs until the process is told to stop; a
    part's name is also the command that runs it alone. `edge` replaces the router table by an ASGI app of its own, and
    `protocol` the connections of its server; only the gateway has them.
    """

    name: str
    settings: type[ServiceSettings]
    metadata: MetaData | None = None
    routers: Sequence[Router] = ()
    emits: AbstractSet[type[Event]] = frozenset()
    consumes: Mapping[type[Event], Consumer] = field(default_factory=dict)
    jobs: Mapping[str, Job] = field(default_factory=dict)
    clients: Mapping[type, ClientFactory] = field(default_factory=dict)
    snapshots: Mapping[type[Snapshot], SnapshotSource] = field(default_factory=dict)
    checks: Mapping[str, Check] = field(default_factory=dict)
    commands: Mapping[str, Command] = field(default_factory=dict)
    parts: Mapping[str, Part] = field(default_factory=dict)
    edge: Callable[[Floor], ASGIApp] | None = None
    protocol: Callable[[Floor], type[asyncio.Protocol]] | None = None

    def __post_init__(self) -> None:
        foreign = {event.topic for event in self.emits if event.source() != self.name}
        if foreign:
            raise ValueError(f"{self.name} emits events of another service: {sorted(foreign)}")
        unread = {event for event in self.emits if issubclass(event, Snapshot)} - set(self.snapshots)
        if unread:
            raise ValueError(f"{self.name} emits snapshots it cannot read again: {sorted(e.topic for e in unread)}")

    @property
    def handlers(self) -> Mapping[str, tuple[type[Event], Consumer]]:
        """Consumers by topic."""
        return {event.topic: (event, consumer) for event, consumer in self.consumes.items()}

    @property
    def bindings(self) -> AbstractSet[tuple[str, str]]:
        """The (source, aggregate type) pairs its queue is bound to: whole aggregates, so numbers stay contiguous."""
        return {(event.source(), event.aggregate) for event in self.consumes}


def load(name: str) -> Service:
    """The manifest of an installed service. Raises ModuleNotFoundError when the service is not installed."""
    service = import_module(f"{name}.manifest").SERVICE
    if not isinstance(service, Service):
        raise TypeError(f"{name}.manifest.SERVICE is not a Service")
    return service
