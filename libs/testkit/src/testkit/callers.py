"""Clients that a service takes for its gateway or for another service."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

import httpx

from chassis.auth import Context, SigningKey, mint_context, mint_service_token


class Client:
    """Requests to one service in this process; a subclass says who is asking."""

    def __init__(self, http: httpx.AsyncClient, audience: str) -> None:
        self.http = http
        self.audience = audience

    async def get(self, path: str, params: Mapping[str, Any] | None = None, **options: Any) -> httpx.Response:
        return await self.request("GET", path, params=params, **options)

    async def post(self, path: str, json: Any = None, **options: Any) -> httpx.Response:
        return await self.request("POST", path, json=json, **options)

    async def put(self, path: str, json: Any = None, **options: Any) -> httpx.Response:
        return await self.request("PUT", path, json=json, **options)

    async def patch(self, path: str, json: Any = None, **options: Any) -> httpx.Response:
        return await self.request("PATCH", path, json=json, **options)

    async def delete(self, path: str, **options: Any) -> httpx.Response:
        return await self.request("DELETE", path, **options)

    async def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        params: Mapping[str, Any] | None = None,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """`key` is the Idempotency-Key; a body goes along only when there is one."""
        sent = {**self.proof(method, path.partition("?")[0]), **(headers or {})}
        if key is not None:
            sent["Idempotency-Key"] = key
        body = {} if json is None else {"json": json}
        return await self.http.request(method, path, params=params, headers=sent, **body)

    def proof(self, method: str, path: str) -> dict[str, str]:  # noqa: ARG002  subclasses sign them
        """The headers that tell who is asking: none here."""
        return {}


class Caller(Client):
    """Somebody, as the gateway would vouch for them: each request bears a fresh context token."""

    def __init__(self, http: httpx.AsyncClient, audience: str, key: SigningKey, **who: Any) -> None:
        super().__init__(http, audience)
        self._key = key
        self._who = who

    @property
    def user_id(self) -> UUID | None:
        user_id: UUID | None = self._who.get("user_id")
        return user_id

    @property
    def store_id(self) -> UUID | None:
        store_id: UUID | None = self._who.get("store_id")
        return store_id

    def proof(self, method: str, path: str) -> dict[str, str]:
        context = Context(request_id=f"test-{uuid4().hex[:12]}", **self._who)
        return {"X-PF-Context": mint_context(self._key, context, audience=self.audience, method=method, path=path)}


class ServiceClient(Client):
    """Another service, asking on its own or for a user and store."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        audience: str,
        key: SigningKey,
        name: str,
        *,
        act_user_id: UUID | None = None,
        act_store_id: UUID | None = None,
    ) -> None:
        super().__init__(http, audience)
        self._key = key
        self._name = name
        self._act_user_id = act_user_id
        self._act_store_id = act_store_id

    def proof(self, method: str, path: str) -> dict[str, str]:  # noqa: ARG002  a service token is bound to neither
        token = mint_service_token(
            self._key,
            issuer=self._name,
            audience=self.audience,
            request_id=f"test-{uuid4().hex[:12]}",
            act_user_id=self._act_user_id,
            act_store_id=self._act_store_id,
        )
        return {"Authorization": f"Bearer {token}"}
