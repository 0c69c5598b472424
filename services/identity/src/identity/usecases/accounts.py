"""Signing in, registering, and what the command line does to accounts (spec 2.2)."""

from dataclasses import dataclass
from uuid import UUID

from chassis.db import Tx
from contracts.values import Address
from identity.domain.people import Membership, Proof, User
from identity.domain.sessions import Change
from identity.repo import memberships, passwords, sessions, stores, users
from identity.usecases.sessions import Signed, end_sessions, open_session
from kernel.refusal import Conflict, Unauthenticated
from kernel.scope import Role, StoreType, SystemRole

Account = Proof | users.NewUser
"""Somebody who has proved who they are, or is to be added."""


@dataclass(frozen=True, slots=True)
class Entered:
    """Somebody who is signed in now. `memberships` are all the stores they may switch to."""

    user: User
    signed: Signed
    memberships: list[Membership]


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """A store that wants to join, with the person who owns it."""

    account: Account
    store_type: StoreType
    company_name: str
    dba_name: str | None
    phone: str | None
    address: Address


async def enter(tx: Tx, proof: Proof, opened_from: str) -> Entered:
    """A session for a verified account: its first store by company name, or none for agents and admins without any.

    Raises Unauthenticated for a user who is deactivated, has got another password since the proof, or has neither a
    store nor a system role.
    """
    user = await users.stamp_login(tx, proof)
    belongs_to = await memberships.of_user(tx, proof.user_id)
    if user is None or not (belongs_to or user.system_role):
        raise Unauthenticated("bad_credentials")
    store = belongs_to[0] if belongs_to else None
    if store:
        await stores.stamp_login(tx, store.store_id)
    signed = await open_session(tx, user, store, opened_from)
    tx.audit("auth.login", "user", user.id, {"sid": signed.family.id, "store_id": store.store_id if store else None})
    return Entered(user, signed, belongs_to)


async def enter_as_admin(tx: Tx, proof: Proof, opened_from: str) -> Entered:
    """A session without a store, for an active admin; anybody else raises Unauthenticated."""
    user = await users.stamp_login(tx, proof)
    if user is None or user.system_role is not SystemRole.ADMIN:
        raise Unauthenticated("bad_credentials")
    signed = await open_session(tx, user, None, opened_from)
    tx.audit("auth.admin_login", "user", user.id, {"sid": signed.family.id})
    return Entered(user, signed, [])


async def enter_again(tx: Tx, user_id: UUID, store_id: UUID, opened_from: str) -> Signed:
    """A fresh session for the member whose registration or acceptance is answered a second time.

    The password is not asked for again: it was verified when they joined the store, and must still be the same.
    Raises Unauthenticated when it is not.
    """
    proof = await passwords.proof_of_joining(tx, user_id, store_id)
    user = await users.stamp_login(tx, proof) if proof else None
    store = await memberships.find(tx, user_id, store_id)
    if user is None or store is None:
        raise Unauthenticated("bad_credentials")
    await stores.stamp_login(tx, store_id)
    return await open_session(tx, user, store, opened_from)


async def register(tx: Tx, application: Application, opened_from: str) -> Entered:
    """User, store, ownership and session at once, or nothing (spec 12.1).

    Raises Conflict.duplicate for a company name that is taken in that state, and for an e-mail that got its account
    between the check and now; Unauthenticated when a known account got another password meanwhile.
    """
    account = application.account
    user = await stamped(tx, account) if isinstance(account, Proof) else await add_user(tx, account)
    store = await stores.add(tx, _new_store(application, user))
    await memberships.add(tx, store_id=store.id, user_id=user.id, role=Role.OWNER)
    tx.emit(store.as_event())
    tx.audit("auth.register", "store", store.id, {"user_id": user.id, "type": store.type})
    return await come_in(tx, user, store.id, opened_from)


async def stamped(tx: Tx, account: Proof) -> User:
    """The account as it is now, signing in. Raises Unauthenticated when it was deactivated, or got another password."""
    user = await users.stamp_login(tx, account)
    if user is None:
        raise Unauthenticated("bad_credentials")
    return user


async def come_in(tx: Tx, user: User, store_id: UUID, opened_from: str) -> Entered:
    """A session for somebody who has just become a member of this store."""
    belongs_to = await memberships.of_user(tx, user.id)
    active = next(membership for membership in belongs_to if membership.store_id == store_id)
    return Entered(user, await open_session(tx, user, active, opened_from), belongs_to)


def _new_store(application: Application, owner: User) -> stores.NewStore:
    return stores.NewStore(
        type=application.store_type,
        company_name=application.company_name,
        dba_name=application.dba_name,
        phone=application.phone,
        owner_user_id=owner.id,
        address=application.address,
    )


async def add_user(tx: Tx, new: users.NewUser) -> User:
    """Raises Conflict.duplicate("email") when the e-mail has an account."""
    user = await users.add(tx, new)
    if user is None:
        raise Conflict.duplicate("email")
    tx.emit(user.as_event())
    return user


async def add_system_user(tx: Tx, new: users.NewUser) -> User:
    """An admin or agent from the start."""
    user = await add_user(tx, new)
    tx.audit("user.system_role", "user", user.id, {"before": None, "after": user.system_role})
    return user


async def grant_system_role(tx: Tx, change: Change, user: User, role: SystemRole) -> User:
    """The sessions the user has are ended: a system role is never slipped into a running one."""
    granted = await users.set_system_role(tx, user.id, role)
    await end_sessions(tx, change, await sessions.live_of_user(tx, user.id), "system_role")
    tx.emit(granted.as_event())
    tx.audit("user.system_role", "user", user.id, {"before": user.system_role, "after": role})
    return granted


async def deactivate(tx: Tx, change: Change, user: User) -> User:
    """Nobody signs in as this user any more, and all their sessions end. Doing it again changes nothing."""
    gone = await users.deactivate(tx, user.id)
    if gone is None:
        return user
    await end_sessions(tx, change, await sessions.live_of_user(tx, user.id), "deactivated")
    tx.emit(gone.as_event())
    tx.audit("user.deactivate", "user", user.id)
    return gone


def note_failure(tx: Tx, action: str, user: User | None, email_mark: str) -> None:
    """The e-mail itself is personal, so a keyed fingerprint stands for it."""
    tx.audit(action, "user", user.id if user else None, {"email_mark": email_mark})
