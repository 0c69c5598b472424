"""The two questions that the gateway has for identity: its public keys, and the truth about a session."""

from typing import Any
from uuid import UUID

from chassis.auth import Context, SigningKey, mint_context
from chassis.calls import OnBehalf, ServiceClient
from chassis.ids import new_id
from contracts.identity import SessionState
from gateway.clients.upstreams import Upstreams

KEYS_PATH = "/.well-known/jwks.json"
KEYS_SECONDS_MAX = 2.0


class Identity:
    """Identity as the gateway knows it; both questions raise Unavailable when it is away."""

    def __init__(self, upstreams: Upstreams, calls: ServiceClient, key: SigningKey) -> None:
        self._upstreams = upstreams
        self._calls = calls
        self._key = key

    async def key_set(self) -> dict[str, Any]:
        """The JWKS document, asked for as an anonymous public route."""
        context = Context(request_id=str(new_id()))
        token = mint_context(self._key, context, audience="identity", method="GET", path=KEYS_PATH)
        document: dict[str, Any] = await self._upstreams.get_json(
            "identity", KEYS_PATH, {"X-PF-Context": token}, KEYS_SECONDS_MAX
        )
        return document

    async def session(self, sid: UUID, request_id: str) -> SessionState:
        """The session's state. Raises NotFound when it is over."""
        path = f"/internal/v1/sessions/{sid}"
        return await self._calls.read(path, model=SessionState, context=OnBehalf(request_id=request_id))
