"""The routes the gateway answers itself (spec 11)."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Annotated

from pydantic import Field, ValidationError

from chassis.answer import Answer, refused, reply
from chassis.web import health
from chassis.web.fields import Body as JsonBody
from chassis.web.fields import Email, Name
from chassis.web.strict_json import checked
from chassis.web.validation import invalid_body
from contracts.identity import SessionState
from gateway.api.pages import pages
from gateway.clients.access_tokens import AccessTokens
from gateway.clients.bodies import Body
from gateway.clients.health import Health
from gateway.clients.reference import PATH as REFERENCE_PATH
from gateway.clients.reference import Reference
from kernel.refusal import MethodNotAllowed, Unavailable

KEY_SET_PATH = "/.well-known/jwks.json"
VALIDATE_PATH = "/api/public/validate"
METRICS_PATH = "/metrics"
_PING_SCOPES = {"/api/v1/ping": "api", "/api/ping": "store", "/api/v1/admin/ping": "admin"}


class Sample(JsonBody):
    """What /api/public/validate checks and sends back."""

    name: Name
    email: Email
    limit: Annotated[int, Field(strict=True, ge=1, le=100)] | None = None


class OwnRoutes:
    """Answers by path: open ones to anybody, the pings to a session that the chain has let through."""

    def __init__(self, tokens: AccessTokens, health: Health, reference: Reference, environment: str) -> None:
        self._tokens = tokens
        self._health = health
        self._reference = reference
        self._pages = pages()
        self._environment = {"X-PF-Env": environment}
        self._open: Mapping[str, Callable[[str], Awaitable[Answer]]] = {
            "/health/live": self._live,
            "/health/ready": self._ready,
            KEY_SET_PATH: self._key_set,
            REFERENCE_PATH: self._document,
            METRICS_PATH: self._metrics,
            "/api/public/ping": self._public_ping,
        }

    def is_open(self, path: str) -> bool:
        """Whether anybody may ask for this path, and we answer it."""
        return path in self._open or path in self._pages or path == VALIDATE_PATH

    async def answer_open(self, method: str, path: str, body: Body, request_id: str) -> Answer:
        if path == VALIDATE_PATH:
            _only(method, "POST")
            return await _validated(body)
        _only(method, "GET", "HEAD")
        if path in self._pages:
            return self._pages[path]
        return await self._open[path](request_id)

    @staticmethod
    def is_ping(path: str) -> bool:
        return path in _PING_SCOPES

    @staticmethod
    def answer_ping(method: str, path: str, session: SessionState) -> Answer:
        """Proves how far a session reaches: the guards have let it through."""
        _only(method, "GET", "HEAD")
        scope = _PING_SCOPES[path]
        return reply(
            {"scope": scope, "store_id": str(session.store_id)}
            if scope == "store"
            else {"scope": scope, "status": "ok"}
        )

    async def _live(self, _request_id: str) -> Answer:
        return reply({"status": "live"}, headers=self._environment)

    async def _ready(self, request_id: str) -> Answer:
        failures = await self._health.failures()
        if not failures:
            return reply({"status": "ready"}, headers=self._environment)
        unready = Unavailable(next(iter(failures)))
        unready.details = {"failures": failures}
        answer = refused(unready, request_id)
        return replace(answer, headers=(*answer.headers, *self._environment.items()))

    async def _key_set(self, _request_id: str) -> Answer:
        """Without the envelope, as every reader of key sets expects it."""
        return Answer(
            json.dumps(await self._tokens.document()).encode(), headers=(("Cache-Control", "public, max-age=300"),)
        )

    async def _document(self, _request_id: str) -> Answer:
        return Answer(await self._reference.document(), headers=(("Cache-Control", "public, max-age=60"),))

    @staticmethod
    async def _metrics(_request_id: str) -> Answer:
        return health.metrics()

    @staticmethod
    async def _public_ping(_request_id: str) -> Answer:
        return reply({"scope": "public", "status": "ok"})


async def _validated(body: Body) -> Answer:
    content = await body.whole()
    try:
        sample = Sample.model_validate(checked(content))
    except ValidationError as error:
        raise invalid_body(error) from None
    return reply(sample.model_dump(exclude_none=True))


def _only(method: str, *allowed: str) -> None:
    if method not in allowed:
        raise MethodNotAllowed
