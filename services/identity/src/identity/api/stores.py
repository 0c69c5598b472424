"""Members and their store; and the profile that anybody signed in may see."""

from uuid import UUID

from chassis.web import OM, SIGNED_IN, Answer, Caller, Router, member, reply
from identity import queries
from identity.api.schemas import MembershipsView, MembershipView, ProfileBody, PublicStoreView, StoreView
from identity.flows.media import ask_about_pictures
from identity.usecases.profiles import update_profile

router = Router(prefix="/api/v1/stores", tags=["stores"])

_REFUSALS = ("duplicate", "media_not_uploaded", "role_missing", "store_context_missing")


@router.get("/me", allow=member(), answers=StoreView, reasons=("store_context_missing",))
async def read_my_store(call: Caller) -> Answer:
    async with call.reader() as db:
        return reply(StoreView.of_detail(await queries.own_store(db, call.scope)))


@router.put("/me", allow=member(OM), answers=StoreView, reasons=_REFUSALS)
async def replace_profile(call: Caller, body: ProfileBody) -> Answer:
    return await _update(call, body)


@router.patch("/me", allow=member(OM), answers=StoreView, reasons=_REFUSALS)
async def change_profile(call: Caller, body: ProfileBody) -> Answer:
    return await _update(call, body)


async def _update(call: Caller, body: ProfileBody) -> Answer:
    """PUT and PATCH mean the same: what is there is set, what is not stays (spec 2.3)."""
    changes = body.changes()
    await ask_about_pictures(call, changes)
    async with call.transaction() as tx:
        store = await update_profile(tx, call.scope, changes)
        return tx.answer(StoreView.of_detail(await queries.with_owner(tx, store)))


@router.get("/my", allow=SIGNED_IN, answers=MembershipsView)
async def list_my_stores(call: Caller) -> Answer:
    async with call.reader() as db:
        memberships = await queries.my_stores(db, call.user)
    return reply(MembershipsView(items=[MembershipView.model_validate(membership) for membership in memberships]))


@router.get("/{store_id}", allow=SIGNED_IN, answers=PublicStoreView)
async def read_store(call: Caller, store_id: UUID) -> Answer:
    """404 unless the caller is a member, or it is a verified and subscribed vendor."""
    async with call.reader() as db:
        return reply(PublicStoreView.of(await queries.public_store(db, store_id, call.user)))
