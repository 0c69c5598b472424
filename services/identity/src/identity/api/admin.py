"""The house: admins sign in here, grant exceptions, suspend and reinstate."""

from collections.abc import Awaitable, Callable
from typing import TypeVar
from uuid import UUID

from chassis.db import Tx
from chassis.web import ADMIN, ANYONE, Answer, Call, Caller, Router, no_key, optional, reply
from identity import queries
from identity.api.auth import token_header
from identity.api.schemas import (
    AdminLoggedInView,
    AdminRegisterBody,
    AdminView,
    LoginBody,
    ReasonBody,
    StandingBody,
    StoreView,
    UserView,
)
from identity.domain.sessions import Change
from identity.domain.stores import Store
from identity.flows import signing_in
from identity.flows.hot_copies import changing
from identity.usecases import accounts
from identity.usecases.standing import override_standing
from identity.usecases.suspension import reinstate, suspend
from kernel.refusal import NotFound

router = Router(prefix="/api/v1/admin", tags=["admin"])

Given = TypeVar("Given")
Decide = Callable[[Tx, Change, UUID, Given], Awaitable[Store]]


@router.post("/auth/login", allow=ANYONE, key=no_key(), answers=AdminLoggedInView, reasons=("bad_credentials",))
async def admin_login(call: Caller, body: LoginBody) -> Answer:
    entered = await signing_in.log_in(call, body.email, body.password, accounts.enter_as_admin)
    view = AdminLoggedInView(user=UserView.model_validate(entered.user), refresh_token=entered.signed.refresh_token)
    return reply(view, headers=token_header(call, entered.signed))


@router.post(
    "/auth/register",
    allow=ANYONE,
    key=optional(),
    keyed_by="email",
    answers=AdminView,
    status=201,
    reasons=("duplicate", "common_password"),
)
async def admin_register(call: Caller, body: AdminRegisterBody) -> Answer:
    """Outside production only; in production the command line makes admins, and this door is not there."""
    if call.settings.environment == "production":
        raise NotFound
    new = await signing_in.admin_to_be(call, body.applicant())
    async with call.transaction() as tx:
        admin = await accounts.add_system_user(tx, new)
        return tx.answer(AdminView(user=UserView.model_validate(admin)))


@router.put("/stores/{store_id}/standing", allow=ADMIN, answers=StoreView, reasons=("store_suspended",))
async def set_standing(call: Caller, store_id: UUID, body: StandingBody) -> Answer:
    """Replace the store's override."""
    return await _settle(call, store_id, override_standing, body.override())


@router.post("/stores/{store_id}/suspend", allow=ADMIN, answers=StoreView, reasons=("store_suspended",))
async def suspend_store(call: Caller, store_id: UUID, body: ReasonBody) -> Answer:
    """From now on it is hidden and neither sells nor buys; open orders can be finished."""
    return await _settle(call, store_id, suspend, body.reason)


@router.post("/stores/{store_id}/reinstate", allow=ADMIN, answers=StoreView, reasons=("not_suspended",))
async def reinstate_store(call: Caller, store_id: UUID, body: ReasonBody) -> Answer:
    """Its licences and its override decide again how it stands."""
    return await _settle(call, store_id, reinstate, body.reason)


async def _settle(call: Call, store_id: UUID, decide: Decide[Given], given: Given) -> Answer:
    """How a store stands from now on. Its sessions stand anew within a second."""
    async with call.reader() as db:
        sids = await queries.live_sessions_of_store(db, store_id)
    async with changing(call, sids) as change, call.transaction() as tx:
        store = await decide(tx, change, store_id, given)
        return tx.answer(StoreView.of_detail(await queries.with_owner(tx, store)))
