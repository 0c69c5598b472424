"""The house: admins sign in here, and grant exceptions."""

from uuid import UUID

from chassis.web import ADMIN, ANYONE, Answer, Caller, Router, no_key, optional, reply
from identity import queries
from identity.api.auth import token_header
from identity.api.schemas import (
    AdminLoggedInView,
    AdminRegisterBody,
    AdminView,
    LoginBody,
    StandingBody,
    StoreView,
    UserView,
)
from identity.flows import signing_in
from identity.flows.hot_copies import changing
from identity.usecases import accounts
from identity.usecases.standing import override_standing
from kernel.refusal import NotFound

router = Router(prefix="/api/v1/admin", tags=["admin"])


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
    reasons=("duplicate",),
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
    """Replace the store's override. Its sessions stand anew within a second."""
    async with call.reader() as db:
        sids = await queries.live_sessions_of_store(db, store_id)
    async with changing(call, sids) as change, call.transaction() as tx:
        store = await override_standing(tx, change, store_id, body.override())
        return tx.answer(StoreView.of_detail(await queries.with_owner(tx, store)))
