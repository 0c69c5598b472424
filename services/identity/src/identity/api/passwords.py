"""New passwords: by who knows the old one, by who has a one-time token, by an admin."""

from uuid import UUID

from chassis.web import ADMIN, ANYONE, SIGNED_IN, Answer, Caller, Router, optional
from identity.api.password_schemas import (
    AcceptedView,
    ForgotPasswordBody,
    ResetPasswordBody,
    TemporaryPasswordView,
    UpdatedView,
    UpdatePasswordBody,
)
from identity.domain.names import normal_email
from identity.domain.tokens import token_hash
from identity.flows import passwords
from identity.flows.hot_copies import changing
from identity.flows.signing_in import email_mark
from identity.usecases.passwords import change_password, keep_reset_token, reset_password, set_temporary
from kernel.refusal import Unauthenticated

router = Router(prefix="/api/v1", tags=["passwords"])

RESET_TOKEN_FIELDS = frozenset({"reset_token"})
TEMPORARY_FIELDS = frozenset({"temporary_password"})


@router.post(
    "/auth/update-password",
    allow=SIGNED_IN,
    answers=UpdatedView,
    reasons=("bad_credentials", "session_revoked", "common_password"),
)
async def update_password(call: Caller, body: UpdatePasswordBody) -> Answer:
    """This session goes on with its tokens; all others are over within a second."""
    if call.sid is None:
        raise Unauthenticated("token_missing")
    proof, new = await passwords.proved(call, body.old_password, body.new_password)
    async with changing(call, new.sids) as change, call.transaction() as tx:
        await change_password(tx, change, proof, new.password_hash, call.sid)
        return tx.answer(UpdatedView())


@router.post("/auth/forgot-password", allow=ANYONE, key=optional(), keyed_by="email", answers=AcceptedView, status=202)
async def forgot_password(call: Caller, body: ForgotPasswordBody) -> Answer:
    """The same answer whoever asks. Where there is an account, a letter brings a token that is good for an hour."""
    email = normal_email(body.email)
    token = await passwords.one_time_token(call, email)
    view = AcceptedView(reset_token=token if passwords.is_answered(call) else None)
    async with call.transaction() as tx:
        has_account = await keep_reset_token(tx, email, token_hash(token), email_mark(call, email))
        answer = tx.answer(view.model_dump(exclude_none=True), unstored=RESET_TOKEN_FIELDS)
    if has_account:
        passwords.write(call, email, token)
    return answer


@router.post(
    "/auth/reset-password",
    allow=ANYONE,
    key=optional(),
    keyed_by="token",
    answers=UpdatedView,
    reasons=("token_invalid", "common_password"),
)
async def reset_forgotten_password(call: Caller, body: ResetPasswordBody) -> Answer:
    """With the one-time token. All sessions of the account are over within a second."""
    new = await passwords.redeemed(call, body.token, body.password)
    async with changing(call, new.sids) as change, call.transaction() as tx:
        await reset_password(tx, change, new.user_id, token_hash(body.token), new.password_hash)
        return tx.answer(UpdatedView())


@router.post("/admin/users/{user_id}/reset-password", allow=ADMIN, answers=TemporaryPasswordView)
async def reset_user_password(call: Caller, user_id: UUID) -> Answer:
    """A temporary password, good for a day, with which nothing can be done but setting another one."""
    password, new = await passwords.temporary(call, user_id)
    async with changing(call, new.sids) as change, call.transaction() as tx:
        await set_temporary(tx, change, user_id, new.password_hash)
        return tx.answer(TemporaryPasswordView(temporary_password=password), unstored=TEMPORARY_FIELDS)
