"""Log in and register: limits first, then one password hash, then the transaction (spec 2.2, 12.1)."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from chassis.db import Tx
from chassis.limits import Limits, Policy
from chassis.web import Call
from identity.clients.passwords import Passwords
from identity.domain.names import normal_email
from identity.domain.people import Proof, User
from identity.domain.tokens import Secret, address_mark
from identity.flows.hot_copies import show
from identity.repo import users
from identity.usecases import accounts
from identity.usecases.accounts import Entered
from kernel.refusal import RateLimited, Unauthenticated
from kernel.scope import SystemRole

MINUTE = 60
LOGIN = Policy("login-email", 4, MINUTE)
LOGIN_KEPT = Policy("login-email-known-address", 1, MINUTE)
"""Five tries a minute and account, of which one is kept for an address the account has logged in from (spec 2.2).
Limits per address are the gateway's, because requests that fail validation count for them."""

LOGIN_FAILED = "auth.login_failed"

REGISTER = Policy("register-email", 3, 5 * MINUTE)

Enter = Callable[[Tx, Proof, str], Awaitable[Entered]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Applicant:
    """Somebody who registers, before it is known whether they have an account."""

    email: str
    password: str
    first_name: str
    last_name: str
    phone: str | None = None


def email_mark(call: Call, email: str) -> str:
    """What stands for an e-mail in the audit log."""
    return call.client(Secret).fingerprint("email", normal_email(email))


def opened_from(call: Call) -> str:
    return address_mark(call.client(Secret), call.client_ip)


async def log_in(call: Call, email: str, password: str, enter: Enter) -> Entered:
    """One verification per try, counted before it is made; whatever is wrong looks the same and is audited."""
    account = await counted(call, normal_email(email))
    verdict = await call.client(Passwords).verify(password, account.password_hash if account else None)
    if account is None or not verdict.matches:
        await _note_failure(call, LOGIN_FAILED, email, account.user if account else None)
        raise Unauthenticated("bad_credentials")
    stronger = await call.client(Passwords).hash(password) if verdict.stale else None
    try:
        async with call.step() as tx:
            entered = await enter(tx, account.proof, opened_from(call))
            if stronger:
                await users.replace_hash(tx, account, stronger)
    except Unauthenticated:
        await _note_failure(call, LOGIN_FAILED, email, account.user)
        raise
    await show(call, [entered.signed.family.id])
    return entered


async def counted(call: Call, email: str) -> users.Credentials | None:
    """Use up one of the account's tries. The last one of a minute is only there for an address that is known."""
    async with call.reader() as db:
        account = await users.credentials(db, email, opened_from(call))
    limits = call.client(Limits)
    try:
        await limits.demand((LOGIN, email))
    except RateLimited:
        if account is None or not account.known_client:
            raise
        await limits.demand((LOGIN_KEPT, email))
    return account


async def _note_failure(call: Call, action: str, email: str, user: User | None) -> None:
    async with call.step() as tx:
        accounts.note_failure(tx, action, user, email_mark(call, email))


async def admit(call: Call, applicant: Applicant) -> accounts.Account:
    """The account that a registration may use; one hash, verified for a known e-mail and made for a new one.

    Raises RateLimited, and Unauthenticated when a known e-mail has another password.
    """
    email = normal_email(applicant.email)
    await call.client(Limits).demand((REGISTER, email))
    async with call.reader() as db:
        known = await users.credentials(db, email, opened_from(call))
    if known is None:
        return await new_user(call.client(Passwords), applicant)
    return await proven(call, known, applicant.password)


async def proven(call: Call, known: users.Credentials, password: str, failure: str = LOGIN_FAILED) -> Proof:
    """That the account is active and the password its own. Raises Unauthenticated, and audits it as `failure`."""
    verdict = await call.client(Passwords).verify(password, known.password_hash)
    if not verdict.matches or not known.user.is_active:
        await _note_failure(call, failure, known.user.email, known.user)
        raise Unauthenticated("bad_credentials")
    return known.proof


async def admin_to_be(call: Call, applicant: Applicant) -> users.NewUser:
    """An account with the system role `admin`, under the limits of a registration."""
    await call.client(Limits).demand((REGISTER, normal_email(applicant.email)))
    return replace(await new_user(call.client(Passwords), applicant), system_role=SystemRole.ADMIN)


async def new_user(passwords: Passwords, applicant: Applicant) -> users.NewUser:
    return users.NewUser(
        email=normal_email(applicant.email),
        password_hash=await passwords.hash(applicant.password),
        first_name=applicant.first_name,
        last_name=applicant.last_name,
        phone=applicant.phone,
    )
