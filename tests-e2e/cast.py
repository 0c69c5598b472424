"""One caller of every kind that the permission matrix knows (spec 1.7)."""

import asyncio
from dataclasses import dataclass
from uuid import uuid4

import asyncpg
import httpx
from markets import Market, open_market
from passes import Caller

from kernel.scope import Role
from packhouse.actors import Admin, Visitor
from packhouse.stack import Stack

OTHER_ROLES = [role for role in Role if role is not Role.OWNER]


@dataclass(frozen=True)
class Cast:
    """`members` are by store type and role, the owner among them."""

    market: Market
    members: dict[tuple[str, Role], Caller]
    agent: Caller
    admin: Caller

    @property
    def everybody(self) -> list[Caller]:
        return [Caller.nobody(), *self.members.values(), self.agent, self.admin]


async def assemble(stack: Stack, http: httpx.AsyncClient) -> Cast:
    """A verified buyer store, a verified and subscribed vendor store, and all who may come.

    Members and agents cannot be made through the API yet: they register, and the database gives them their role.
    """
    database = await asyncpg.connect(stack.database_url())
    try:
        market = await open_market(http, run=uuid4().hex[:8], vendors=1, buyers=1)
        owners = (market.buyers[0], market.vendors[0])
        members = {(owner.store_type, Role.OWNER): _caller(f"{owner.store_type} owner", owner) for owner in owners}
        wanted = [(owner, role) for owner in owners for role in OTHER_ROLES]
        joined = await asyncio.gather(*(_account(http) for _ in wanted))
        for (owner, role), account in zip(wanted, joined, strict=True):
            await _join(database, account, str(owner.store_id), role)
            (await account.logs_in()).expect(200)
            members[owner.store_type, role] = _caller(f"{owner.store_type} {role.value}", account)
        agent = await _account(http)
        await database.execute("update identity.users set system_role = 'agent' where email = $1", agent.email)
        (await agent.logs_in()).expect(200)
        return Cast(market, members, _caller("agent", agent), _caller("admin", market.admin))
    finally:
        await database.close()


async def _account(http: httpx.AsyncClient) -> Visitor:
    """Somebody who has registered and belongs to no store."""
    admin = Admin(http, email=f"member-{uuid4().hex[:12]}@example.net")
    (await admin.registers()).expect(201)
    return Visitor(http, email=admin.email)


async def _join(database: asyncpg.Connection, account: Visitor, store_id: str, role: Role) -> None:
    await database.execute("update identity.users set system_role = null where email = $1", account.email)
    await database.execute(
        "insert into identity.store_memberships (id, store_id, user_id, role, status)"
        " select gen_random_uuid(), $1::uuid, id, $2, 'active' from identity.users where email = $3",
        store_id,
        role.value,
        account.email,
    )


def _caller(name: str, visitor: Visitor) -> Caller:
    assert visitor.token is not None
    return Caller.of(name, visitor.token)
