"""The people of these tests: each speaks to identity as the gateway would on their behalf."""

from dataclasses import dataclass, field
from itertools import count
from typing import Any
from uuid import UUID

import httpx

from chassis.auth import AccessClaims
from chassis.telemetry.metrics import rendered
from contracts.identity import SESSION_KEY, SessionState
from identity.clients.access_keys import AccessKeys
from identity.clients.hot_copies import HotCopies
from kernel.scope import Actor
from testkit.world import World

PASSWORD = "correct horse 9 battery"
_numbers = count(1)


@dataclass
class Person:
    """Somebody with an e-mail, perhaps tokens, and a client of their own."""

    world: World
    email: str = field(default_factory=lambda: f"person-{next(_numbers)}@example.net")
    ip: str = "203.0.113.7"
    agent: str = "tests/1"
    token: str | None = None
    refresh_token: str | None = None

    @property
    def claims(self) -> AccessClaims:
        return self.world.floor.client(AccessKeys).read(self.token, self.world.clock.now())

    @property
    def sid(self) -> UUID:
        return self.claims.sid

    async def says(self, method: str, path: str, body: Any = None, key: str | None = None) -> httpx.Response:
        """One request with the bearer, as the gateway passes it on to anonymous routes."""
        headers = {"X-PF-Client-IP": self.ip, "User-Agent": self.agent}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        answer = await self.world.caller().request(method, path, json=body, key=key, headers=headers)
        self._keep(answer)
        return answer

    async def does(self, method: str, path: str, body: Any = None, key: str | None = None) -> httpx.Response:
        """One request as the signed-in user, with the session's scope, as the gateway passes it on."""
        claims, state = self.claims, await self.state()
        caller = self.world.caller(
            user_id=claims.user_id,
            sid=claims.sid,
            store_id=claims.store_id,
            store_type=claims.store_type,
            role=claims.role,
            system_role=claims.system_role,
            kyc_status=state.kyc_status if state else None,
        )
        headers = {"X-PF-Client-IP": self.ip, "User-Agent": self.agent}
        answer = await caller.request(method, path, json=body, key=key, headers=headers)
        self._keep(answer)
        return answer

    def _keep(self, answer: httpx.Response) -> None:
        if "x-pf-token" in answer.headers:
            self.token = answer.headers["x-pf-token"]
            self.refresh_token = answer.json()["data"].get("refresh_token", self.refresh_token)

    async def registers(self, company_name: str | None = None, key: str | None = None, **facts: Any) -> httpx.Response:
        return await self.says("POST", "/api/v1/auth/register", registration(self.email, company_name, **facts), key)

    async def logs_in(self, password: str = PASSWORD) -> httpx.Response:
        return await self.says("POST", "/api/v1/auth/login", {"email": self.email, "password": password})

    async def refreshes(self, refresh_token: str | None = None) -> httpx.Response:
        body = {"refresh_token": refresh_token or self.refresh_token}
        return await self.says("POST", "/api/v1/auth/refresh", body)

    async def logs_out(self) -> httpx.Response:
        return await self.says("POST", "/api/v1/auth/logout")

    async def invites(self, email: str, role: str = "staff", key: str | None = None, **facts: Any) -> httpx.Response:
        body = {"email": email, "first_name": "Kim", "last_name": "Vale", "role": role, **facts}
        return await self.does("POST", "/api/v1/stores/me/users/invite", body, key)

    async def accepts(
        self, token: str, password: str = PASSWORD, key: str | None = None, **names: Any
    ) -> httpx.Response:
        return await self.says(
            "POST", "/api/v1/auth/accept-invite", {"token": token, "password": password, **names}, key
        )

    async def gives_role(self, other: "Person | UUID", role: str) -> httpx.Response:
        user_id = other.claims.user_id if isinstance(other, Person) else other
        return await self.does("PATCH", f"/api/v1/stores/me/users/{user_id}", {"role": role})

    async def removes(self, other: "Person | UUID") -> httpx.Response:
        user_id = other.claims.user_id if isinstance(other, Person) else other
        return await self.does("DELETE", f"/api/v1/stores/me/users/{user_id}")

    async def switches(self, store_id: UUID | None) -> httpx.Response:
        return await self.does("POST", "/api/v1/auth/switch-store", {"store_id": str(store_id)})

    async def state(self) -> SessionState | None:
        """The truth about the session, asked as the gateway does; None when it is over."""
        answer = await self.world.service_caller("gateway").get(f"/internal/v1/sessions/{self.sid}")
        await self.world.floor.client(HotCopies).close()
        return SessionState.model_validate(answer.json()["data"]) if answer.status_code == 200 else None

    async def hot_copy(self) -> SessionState | None:
        text = await self.world.floor.redis.get(SESSION_KEY.format(sid=self.sid))
        return SessionState.model_validate_json(text) if text else None


def registration(email: str, company_name: str | None = None, **facts: Any) -> dict[str, Any]:
    body = {
        "first_name": "Sam",
        "last_name": "Reed",
        "email": email,
        "password": PASSWORD,
        "company_name": company_name or f"Company of {email}",
        "store_type": "buyer",
        "address": {"line1": "1 Main St", "city": "Tulsa", "state": "OK", "postal_code": "74103"},
        "accept_tos": True,
    }
    return {**body, **facts}


async def an_admin(world: World) -> Person:
    admin = Person(world)
    body = {"email": admin.email, "password": PASSWORD, "first_name": "Ada", "last_name": "House"}
    assert (await admin.says("POST", "/api/v1/admin/auth/register", body)).status_code == 201
    body = {"email": admin.email, "password": PASSWORD}
    assert (await admin.says("POST", "/api/v1/admin/auth/login", body)).status_code == 200
    return admin


async def a_store(world: World, store_type: str = "buyer", **facts: Any) -> Person:
    owner = Person(world)
    answer = await owner.registers(store_type=store_type, **facts)
    assert answer.status_code == 200, answer.text
    return owner


async def an_invite(owner: Person, email: str, role: str = "staff") -> tuple[str, str]:
    """Its id and its token."""
    answer = await owner.invites(email, role)
    assert answer.status_code == 201, answer.text
    data = answer.json()["data"]
    return data["invite"]["invite_id"], data["invite_token"]


async def a_colleague(owner: Person, role: str = "staff", email: str | None = None) -> Person:
    """Somebody who was invited into the owner's store and is signed in there."""
    colleague = Person(owner.world, email) if email else Person(owner.world)
    _, token = await an_invite(owner, colleague.email, role)
    answer = await colleague.accepts(token)
    assert answer.status_code == 200, answer.text
    return colleague


async def grants(admin: Person, store_id: UUID | None, **override: Any) -> httpx.Response:
    body = {"kyc_override": "verified", "subscription_override": "active", "reason": "checked by hand", **override}
    return await admin.does("PUT", f"/api/v1/admin/stores/{store_id}/standing", body)


def hashes() -> float:
    """How many passwords have been hashed in this process so far, for setting and for verifying."""
    lines = rendered().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("password_hashes_total "))


async def directly(world: World, statement: str, *args: object) -> None:
    """What only the database can do so far, such as a suspension."""
    async with world.db.transaction(actor=Actor.service("test"), request_id="test") as tx:
        await tx.run(statement, *args)
