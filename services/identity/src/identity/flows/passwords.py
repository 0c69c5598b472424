"""New passwords: what has to be asked, counted and hashed before the transaction that sets one (spec 2.2)."""

import secrets
import string
from dataclasses import dataclass
from uuid import UUID

from chassis.limits import Limits, Policy
from chassis.web import Call
from identity.clients.mail import Mailer
from identity.clients.passwords import Passwords
from identity.domain.passwords import TEMPORARY_LENGTH, reset_letter
from identity.domain.people import Proof
from identity.domain.tokens import token_hash
from identity.flows.signing_in import MINUTE, counted, proven
from identity.repo import passwords, sessions, users
from identity.usecases.sessions import fresh_token
from kernel.refusal import NotFound, Unauthenticated

FORGOTTEN = Policy("forgot-email", 3, 5 * MINUTE)
"""As many letters as registrations: enough for somebody in need, too few to fill a stranger's mailbox."""

ALPHANUMERICS = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True)
class Replacement:
    """A new password on its way. `sids` are the sessions whose hot copies are to be marked before it is set."""

    user_id: UUID
    password_hash: str
    sids: list[UUID]


async def proved(call: Call, old_password: str, new_password: str) -> tuple[Proof, Replacement]:
    """For somebody signed in who knows the old one. It counts as a try to log in, so that a stolen session helps
    nobody to guess. Raises Unauthenticated and RateLimited.
    """
    async with call.reader() as db:
        user = await users.by_id(db, call.user)
    account = await counted(call, user.email) if user else None
    if account is None:
        raise Unauthenticated("session_revoked")
    proof = await proven(call, account, old_password, "auth.password_change_failed")
    return proof, await _replacement(call, proof.user_id, new_password)


async def one_time_token(call: Call, email: str) -> str:
    """A fresh one, whether or not the e-mail has an account. Raises RateLimited."""
    await call.client(Limits).demand((FORGOTTEN, email))
    return fresh_token()


def write(call: Call, email: str, token: str) -> None:
    """Post the token to the one who may use it."""
    call.client(Mailer).post(reset_letter(email, token, call.settings.app_url))


def is_answered(call: Call) -> bool:
    """Whether one-time tokens are answered: outside production, while no letters go out."""
    return call.settings.environment != "production" and not call.client(Mailer).is_configured


async def redeemed(call: Call, token: str, password: str) -> Replacement:
    """For somebody with a one-time token. Raises Unauthenticated for one that is not good, at the cost of no hash."""
    async with call.reader() as db:
        user_id = await passwords.token_holder(db, token_hash(token))
    if user_id is None:
        raise Unauthenticated("token_invalid")
    return await _replacement(call, user_id, password)


async def temporary(call: Call, user_id: UUID) -> tuple[str, Replacement]:
    """A random password, and its replacement for the user's own. Raises NotFound."""
    async with call.reader() as db:
        user = await users.by_id(db, user_id)
    if user is None:
        raise NotFound
    password = "".join(secrets.choice(ALPHANUMERICS) for _ in range(TEMPORARY_LENGTH))
    return password, await _replacement(call, user_id, password)


async def _replacement(call: Call, user_id: UUID, password: str) -> Replacement:
    password_hash = await call.client(Passwords).hash(password)
    async with call.reader() as db:
        return Replacement(user_id, password_hash, await sessions.live_of_user(db, user_id))
