"""Strangers become users here, and users end up outside again."""

import json
from uuid import UUID

from chassis.idempotency import Stored
from chassis.limits import Limits, Policy
from chassis.web import (
    ANYONE,
    BEARER,
    OPEN,
    SIGNED_IN,
    Answer,
    Call,
    Caller,
    Replay,
    Router,
    Work,
    no_key,
    optional,
    reply,
)
from identity.api.member_schemas import AcceptInviteBody
from identity.api.schemas import (
    KeySet,
    LoggedInView,
    LoginBody,
    RefreshBody,
    RefreshedView,
    RegisterBody,
    RegisteredView,
    StatusView,
    StoreChoice,
    SwitchedView,
    SwitchStoreBody,
)
from identity.clients.access_keys import AccessKeys
from identity.flows import members, sessions, signing_in
from identity.flows.hot_copies import show
from identity.usecases import accounts, joining
from identity.usecases.accounts import Entered
from identity.usecases.sessions import Signed

router = Router(prefix="/api/v1/auth", tags=["auth"])
keys = Router(tags=["auth"])

TOKEN_HEADER = "X-PF-Token"  # noqa: S105  the name of a header
SECRET_FIELDS = frozenset({"refresh_token"})


def token_header(call: Call, signed: Signed) -> dict[str, str]:
    """The access token of a session's present generation, minted for this answer."""
    return {TOKEN_HEADER: call.client(AccessKeys).mint(signed.family, call.clock.now())}


def enter_again(policy: Policy) -> Replay:
    """A repeat gets the stored answer with tokens of a fresh session, because tokens are never stored (spec 1.5).

    It counts for `policy` and the e-mail, as the first request did.
    """

    async def replay(call: Call, stored: Stored) -> Answer:
        data = stored.data
        await call.client(Limits).demand((policy, data["user"]["email"]))
        user_id, store_id = UUID(data["user"]["id"]), UUID(data["active_store_id"])
        async with call.step() as tx:
            signed = await accounts.enter_again(tx, user_id, store_id, signing_in.opened_from(call))
        await show(call, [signed.family.id])
        return reply({**data, "refresh_token": signed.refresh_token}, headers=token_header(call, signed))

    return replay


@router.post(
    "/register",
    allow=ANYONE,
    key=optional(),
    keyed_by="email",
    replay=enter_again(signing_in.REGISTER),
    answers=RegisteredView,
    reasons=("bad_credentials", "duplicate", "common_password"),
)
async def register(call: Caller, body: RegisterBody) -> Answer:
    """A store and its owner. A known e-mail with its right password gains a further store."""
    account = await signing_in.admit(call, body.applicant())
    async with call.transaction() as tx:
        entered = await accounts.register(tx, body.application(account), signing_in.opened_from(call))
        answer = _come_in(call, tx, entered)
    await show(call, [entered.signed.family.id])
    return answer


def _come_in(call: Call, tx: Work, entered: Entered) -> Answer:
    """The answer to somebody who belongs to a store as of now; kept for repeats without its tokens."""
    headers = token_header(call, entered.signed)
    return tx.answer(RegisteredView.of(entered), headers=headers, unstored=SECRET_FIELDS)


@router.post(
    "/accept-invite",
    allow=ANYONE,
    key=optional(),
    keyed_by="token",
    replay=enter_again(signing_in.LOGIN),
    answers=RegisteredView,
    reasons=("bad_credentials", "invite_used", "invite_revoked", "invite_expired", "duplicate", "common_password"),
)
async def accept_invite(call: Caller, body: AcceptInviteBody) -> Answer:
    """Whoever holds the token comes in: with the password of the account that the e-mail has, or by making one."""
    invite, account = await members.admit(call, body.acceptance())
    async with call.transaction() as tx:
        entered = await joining.accept(tx, invite, account, signing_in.opened_from(call))
        answer = _come_in(call, tx, entered)
    await show(call, [entered.signed.family.id])
    return answer


@router.post("/login", allow=ANYONE, key=no_key(), answers=LoggedInView, reasons=("bad_credentials",))
async def login(call: Caller, body: LoginBody) -> Answer:
    entered = await signing_in.log_in(call, body.email, body.password, accounts.enter)
    return reply(LoggedInView.of(entered), headers=token_header(call, entered.signed))


@router.post("/logout", allow=BEARER, key=no_key(), answers=StatusView, reasons=("token_missing", "token_invalid"))
async def logout(call: Caller) -> Answer:
    """The bearer may be expired. 503 when the end is recorded but may not be seen everywhere yet: ask again."""
    await sessions.log_out(call)
    return reply(StatusView(status="logged_out"))


@router.post(
    "/refresh",
    allow=BEARER,
    key=no_key(),
    answers=RefreshedView,
    reasons=("token_missing", "token_invalid", "session_revoked"),
)
async def refresh(call: Caller, body: RefreshBody) -> Answer:
    """The next pair of tokens. A refresh token works once; using it again ends the session."""
    signed = await sessions.refresh(call, body.refresh_token)
    headers = token_header(call, signed)
    return reply(RefreshedView(access_token=headers[TOKEN_HEADER], refresh_token=signed.refresh_token), headers=headers)


@router.post(
    "/switch-store", allow=SIGNED_IN, key=no_key(), answers=SwitchedView, reasons=("role_missing", "session_revoked")
)
async def switch_store(call: Caller, body: SwitchStoreBody) -> Answer:
    """Another store for this session. The tokens in use until now are dead."""
    signed, membership = await sessions.switch_store(call, body.store_id)
    view = SwitchedView(
        store=StoreChoice.of(membership),
        store_id=membership.store_id,
        store_name=membership.name,
        store_type=membership.type,
        refresh_token=signed.refresh_token,
    )
    return reply(view, headers=token_header(call, signed))


@keys.get("/.well-known/jwks.json", allow=OPEN, answers=KeySet)
async def key_set(call: Caller) -> Answer:
    """The public keys of access tokens, without the envelope."""
    document = json.dumps(call.client(AccessKeys).document(call.clock.now())).encode()
    return Answer(document, headers=(("Cache-Control", "public, max-age=300"),))
