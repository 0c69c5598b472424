"""Other services: the truth about a session, and a store as its owner knows it (spec 1.10)."""

from uuid import UUID

from chassis.web import Answer, Caller, Router, reply, services
from contracts.identity import SessionState, StoreChanged
from identity import queries
from identity.flows.hot_copies import tell

router = Router(prefix="/internal/v1", tags=["internal"])


@router.get("/sessions/{sid}", allow=services("gateway"), answers=SessionState)
async def read_session(call: Caller, sid: UUID) -> Answer:
    """404 for a session that is over. Whoever asks has no copy, so the answer also fills Redis."""
    return reply(await tell(call, sid))


@router.get("/stores/{store_id}", allow=services("catalog", "orders", "billing", "analytics"), answers=StoreChanged)
async def read_store_snapshot(call: Caller, store_id: UUID) -> Answer:
    async with call.reader() as db:
        return reply(await queries.store_snapshot(db, store_id))
