"""Other services: the truth about a session, a store as its owner knows it, and what holds a medium (spec 1.10)."""

from uuid import UUID

from chassis.web import Answer, Caller, Router, reply, services
from contracts.identity import SessionState, StoreChanged
from contracts.media import MediaReferences
from identity import queries
from identity.flows.hot_copies import tell
from identity.usecases.references import protected_references

router = Router(prefix="/internal/v1", tags=["internal"])


@router.get("/sessions/{sid}", allow=services("gateway"), answers=SessionState)
async def read_session(call: Caller, sid: UUID) -> Answer:
    """404 for a session that is over. Whoever asks has no copy, so the answer also fills Redis."""
    return reply(await tell(call, sid))


@router.get("/stores/{store_id}", allow=services("catalog", "orders", "billing", "analytics"), answers=StoreChanged)
async def read_store_snapshot(call: Caller, store_id: UUID) -> Answer:
    async with call.reader() as db:
        return reply(await queries.store_snapshot(db, store_id))


@router.get("/media-references/{media_id}", allow=services("media"), answers=MediaReferences)
async def read_media_references(call: Caller, media_id: UUID) -> Answer:
    """Whoever asks may delete the medium on a "none", so nobody uses it any more without asking media first."""
    async with call.transaction() as tx:
        return reply(await protected_references(tx, media_id))
