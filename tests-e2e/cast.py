"""One caller of every kind that the permission matrix knows (spec 1.7)."""

import asyncio
from dataclasses import dataclass
from uuid import uuid4

import asyncpg
import httpx
from markets import Market, open_market
from operations import Operation
from passes import Caller

from kernel.scope import Role
from packhouse.actors import Admin, Member, Visitor
from packhouse.stack import Stack

OTHER_ROLES = [role for role in Role if role is not Role.OWNER]


@dataclass(frozen=True)
class Cast:
    """`members` are by store type and role, the owner among them."""

    market: Market
    members: dict[tuple[str, Role], Caller]
    agent: Caller
    admin: Caller

    def who_may(self, operation: Operation) -> Caller:
        """Somebody whom the operation lets in: a vendor's owner may also buy."""
        if operation.who in {"anyone", "open"}:
            return Caller.nobody()
        return self.admin if operation.who == "admin" else self.members["vendor", Role.OWNER]

    @property
    def everybody(self) -> list[Caller]:
        return [Caller.nobody(), *self.members.values(), self.agent, self.admin]


async def assemble(stack: Stack, http: httpx.AsyncClient) -> Cast:
    """A verified buyer store, a verified and subscribed vendor store, and all who may come.

    Agents cannot be made through the API: one registers as an admin, and the database gives it its role.
    """
    market = await open_market(http, run=uuid4().hex[:8], vendors=1, buyers=1)
    owners = (market.buyers[0], market.vendors[0])
    members = {(owner.store_type, Role.OWNER): _caller(f"{owner.store_type} owner", owner) for owner in owners}
    wanted = [(owner, role) for owner in owners for role in OTHER_ROLES]
    joined = await asyncio.gather(*(colleague(owner, role) for owner, role in wanted))
    for (owner, role), account in zip(wanted, joined, strict=True):
        members[owner.store_type, role] = _caller(f"{owner.store_type} {role.value}", account)
    return Cast(market, members, _caller("agent", await _agent(stack, http)), _caller("admin", market.admin))


async def colleague(owner: Member, role: Role) -> Visitor:
    """Somebody new whom the owner has invited, signed in to the owner's store."""
    account = Visitor(owner.http, email=f"member-{uuid4().hex[:12]}@example.net")
    invited = (await owner.invites(account.email, role.value)).expect(201)
    (await account.accepts(invited["invite_token"])).expect(200)
    return account


async def _agent(stack: Stack, http: httpx.AsyncClient) -> Visitor:
    admin = Admin(http, email=f"agent-{uuid4().hex[:12]}@example.net")
    (await admin.registers()).expect(201)
    database = await asyncpg.connect(stack.database_url())
    try:
        await database.execute("update identity.users set system_role = 'agent' where email = $1", admin.email)
    finally:
        await database.close()
    agent = Visitor(http, email=admin.email)
    (await agent.logs_in()).expect(200)
    return agent


def _caller(name: str, visitor: Visitor) -> Caller:
    assert visitor.token is not None
    return Caller.of(name, visitor.token)
