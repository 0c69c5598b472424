"""The order of every change of a session: mark its hot copy `ask`, commit, show the new state (spec 1.6).

What happens while Redis is away is decided in docs/adr/0003.
"""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Protocol, TypeVar
from uuid import UUID

from chassis.db import Database
from chassis.ids import new_id
from chassis.telemetry import get_logger
from contracts.identity import SessionState
from identity.clients.hot_copies import HotCopies
from identity.domain.sessions import Change
from identity.repo import sessions
from kernel.refusal import NotFound, Unavailable

Client = TypeVar("Client")

_log = get_logger("identity.sessions")


class Place(Protocol):
    """Where code runs that may open transactions: a request, a job, a command."""

    @property
    def db(self) -> Database: ...

    def client(self, kind: type[Client]) -> Client: ...


@asynccontextmanager
async def changing(place: Place, sids: Collection[UUID]) -> AsyncIterator[Change]:
    """Around the transaction that changes these sessions. What it touches besides is shown too.

    Redis away fails nothing: what could not be marked is noted in the transaction (`repo.sessions.note_change`) and
    made up for by a job. `change.is_certain` tells afterwards whether older copies can still be believed.
    """
    nonce = str(new_id())
    change = Change(nonce, await place.client(HotCopies).mark(sids, nonce), set(sids))
    try:
        yield change
    finally:
        change.shown = await _show_quietly(place, change)


async def show(place: Place, sids: Collection[UUID], nonce: str = "") -> frozenset[UUID]:
    """Copy the truth about these sessions to Redis; answers those for which that worked."""
    async with place.db.reader() as db:
        families = await sessions.find(db, sids)
    return await place.client(HotCopies).write([family.as_state() for family in families], nonce)


async def _show_quietly(place: Place, change: Change) -> frozenset[UUID]:
    """The transaction is decided by now. Without the database the copies keep saying `ask`, which is never wrong."""
    try:
        return await show(place, change.touched, change.nonce)
    except Unavailable:
        _log.warning("hot_copies.not_shown", sessions=len(change.touched))
        return frozenset()


async def tell(place: Place, sid: UUID) -> SessionState:
    """The truth about one session, for a gateway whose copy is missing; fills the copy on the way.

    Raises NotFound for a session that is over or never was.
    """
    async with place.db.reader() as db:
        families = await sessions.find(db, [sid])
    if not families:
        raise NotFound
    state = families[0].as_state()
    place.client(HotCopies).fill(state)
    if state.revoked:
        raise NotFound
    return state


async def pay_owed_copies(place: Place, batch: int) -> list[UUID]:
    """Show what could not be marked when it was changed; answers the notes that are settled now."""
    async with place.db.reader() as db:
        owed = await sessions.owed(db, batch)
    if not owed:
        return []
    shown = await show(place, {sid for _, sid in owed})
    return [note for note, sid in owed if sid in shown]
