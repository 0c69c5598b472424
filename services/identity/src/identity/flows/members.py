"""Inviting somebody, and coming in by an invitation: limits and hashes before the transaction (spec 2.2)."""

from dataclasses import dataclass

from chassis.limits import Limits, Policy
from chassis.web import Call
from identity.clients.common_passwords import refuse_common
from identity.clients.passwords import Passwords
from identity.domain.members import Invite
from identity.domain.names import normal_email
from identity.domain.people import PASSWORD_LENGTHS
from identity.domain.tokens import Secret, token_hash
from identity.flows import signing_in
from identity.flows.signing_in import Applicant
from identity.repo import invites
from identity.usecases.accounts import Account
from identity.usecases.joining import demand_open
from identity.usecases.sessions import fresh_token
from kernel.refusal import Invalid
from kernel.scope import Role

HOUR = 3600
INVITES_OF_STORE = Policy("invite-store", 60, HOUR)
INVITES_OF_EMAIL = Policy("invite-email", 5, HOUR)
"""Letters go to whomever a member names, so neither a store nor all stores together may flood somebody with them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """Whom somebody wants to invite."""

    email: str
    first_name: str
    last_name: str
    role: Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """Names replace those of the invitation, for an account that is made by it."""

    token: str
    password: str
    first_name: str | None
    last_name: str | None


@dataclass(frozen=True, slots=True)
class Announced:
    """What is to be recorded, and the token that is not. `email_mark` stands for the e-mail in the audit log."""

    new: invites.NewInvite
    email_mark: str
    token: str


async def announce(call: Call, guest: Guest) -> Announced:
    """Raises RateLimited."""
    email = normal_email(guest.email)
    await call.client(Limits).demand((INVITES_OF_STORE, str(call.store)), (INVITES_OF_EMAIL, email))
    token = fresh_token()
    new = invites.NewInvite(
        email=email,
        first_name=guest.first_name,
        last_name=guest.last_name,
        role=guest.role,
        token_hash=token_hash(token),
        invited_by=call.user,
    )
    return Announced(new, call.client(Secret).fingerprint("email", email), token)


async def admit(call: Call, acceptance: Acceptance) -> tuple[Invite, Account]:
    """The invitation, and the account that may accept it: the one its e-mail has, by its own password, or a new one.

    Tries count with those of the log-in, and each costs one hash. Raises NotFound, Conflict for an invitation that is
    closed, RateLimited, Unauthenticated for another password, and Invalid for one that no new account may have.
    """
    async with call.reader() as db:
        invite = demand_open(await invites.by_token(db, token_hash(acceptance.token)))
    known = await signing_in.counted(call, invite.email)
    if known is not None:
        return invite, await signing_in.proven(call, known, acceptance.password)
    _demand_settable(acceptance.password)
    return invite, await signing_in.new_user(call.client(Passwords), _applicant(invite, acceptance))


def _demand_settable(password: str) -> None:
    """Only here is it known that a password is being set, and not asked for; else the schema says all this."""
    if len(password) < PASSWORD_LENGTHS.start:
        raise Invalid.field("password", f"must be at least {PASSWORD_LENGTHS.start}")
    if len(password) >= PASSWORD_LENGTHS.stop:
        raise Invalid.field("password", f"must be at most {PASSWORD_LENGTHS.stop - 1}")
    refuse_common(password, "password")


def _applicant(invite: Invite, acceptance: Acceptance) -> Applicant:
    return Applicant(
        email=invite.email,
        password=acceptance.password,
        first_name=acceptance.first_name or invite.first_name,
        last_name=acceptance.last_name or invite.last_name,
    )
