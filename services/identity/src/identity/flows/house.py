"""What the operator does to accounts."""

from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from uuid import UUID

from chassis.db import Tx
from chassis.floor import Floor
from chassis.ids import new_id
from identity.clients.passwords import Passwords
from identity.domain.names import normal_email
from identity.domain.people import User
from identity.flows.hot_copies import changing
from identity.flows.signing_in import Applicant, new_user
from identity.repo import sessions, users
from identity.usecases import accounts
from kernel.scope import Actor, SystemRole

OPERATOR = Actor.service("command-line")


async def promote(floor: Floor, email: str, role: SystemRole) -> User | None:
    """Give a known account a system role and end its sessions; None for an unknown e-mail."""
    user = await _find(floor, email)
    if user is None:
        return None
    async with changing(floor, await _sessions_of(floor, user)) as change, _deed(floor) as tx:
        return await accounts.grant_system_role(tx, change, user, role)


async def appoint(floor: Floor, applicant: Applicant, role: SystemRole) -> User:
    """A new account with a system role. Raises Conflict.duplicate for a known e-mail."""
    new = replace(await new_user(floor.client(Passwords), applicant), system_role=role)
    async with _deed(floor) as tx:
        return await accounts.add_system_user(tx, new)


async def lock_out(floor: Floor, email: str) -> User | None:
    """Deactivate an account and end its sessions; None for an unknown e-mail."""
    user = await _find(floor, email)
    if user is None:
        return None
    async with changing(floor, await _sessions_of(floor, user)) as change, _deed(floor) as tx:
        return await accounts.deactivate(tx, change, user)


def _deed(floor: Floor) -> AbstractAsyncContextManager[Tx]:
    return floor.db.transaction(actor=OPERATOR, request_id=str(new_id()))


async def _find(floor: Floor, email: str) -> User | None:
    async with floor.db.reader() as db:
        return await users.by_email(db, normal_email(email))


async def _sessions_of(floor: Floor, user: User) -> list[UUID]:
    async with floor.db.reader() as db:
        return await sessions.live_of_user(db, user.id)
