"""Signed calls to another service's internal routes, with every limit of spec 1.10.

A call is answered, refused as the other side refused it, or `Unavailable(<service>)`. Nothing else comes back, and
nothing takes longer than its limits, the caller's deadline included.
"""

import asyncio
import itertools
import json
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, overload
from uuid import UUID

import aiohttp
from pydantic import BaseModel, ValidationError

from chassis.auth import SigningKey, mint_service_token
from chassis.ids import new_id
from chassis.telemetry import counter, current_traceparent, get_logger, span
from contracts.event import Wire
from kernel.refusal import Code, Conflict, Refusal, Unauthenticated, Unavailable

CONNECT_SECONDS = 0.5
READ_SECONDS = 0.5
COMMAND_SECONDS = 2.0
TOTAL_SECONDS = 4.5
ATTEMPTS_MAX = 2
CONNECTIONS_MAX = 64
SHORTEST_ATTEMPT_SECONDS = 0.02

Answer = TypeVar("Answer", bound=Wire)

_log = get_logger(__name__)
_failures = counter("calls_failed_total", "Attempts at another service that brought no usable answer", ("service",))


class CallContext(Protocol):
    """On whose behalf a call is made. A `Caller` is one, and so is a `JobRun`; `OnBehalf` is the plain form.

    `deadline` is an instant of `time.monotonic()`, or None when nobody is waiting.
    """

    @property
    def request_id(self) -> str: ...
    @property
    def user_id(self) -> UUID | None: ...
    @property
    def store_id(self) -> UUID | None: ...
    @property
    def deadline(self) -> float | None: ...


@dataclass(frozen=True, slots=True)
class OnBehalf:
    """A call context spelled out."""

    request_id: str = field(default_factory=lambda: str(new_id()))
    user_id: UUID | None = None
    store_id: UUID | None = None
    deadline: float | None = None


def hurried(context: CallContext, seconds: float) -> CallContext:
    """The same, for an answer that is worth no longer wait than this: links that a page can be shown without."""
    latest = time.monotonic() + seconds
    deadline = latest if context.deadline is None else min(latest, context.deadline)
    return OnBehalf(context.request_id, context.user_id, context.store_id, deadline)


class _Unusable(Exception):  # noqa: N818  it never leaves this module
    """An attempt brought no answer that could be used; the next one may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    method: str
    path: str
    params: Mapping[str, str]
    body: bytes | None
    headers: dict[str, str]
    seconds: float
    ends_at: float

    def remaining(self) -> float:
        return min(self.seconds, self.ends_at - time.monotonic())


class Calls:
    """The outgoing side of one process: one HTTP session for all services it asks."""

    def __init__(self, caller: str, key: SigningKey) -> None:
        self._caller = caller
        self._key = key
        self._session: aiohttp.ClientSession | None = None

    def to(self, service: str, addresses: str) -> "ServiceClient":
        """`addresses` is one base URL or several, separated by commas; they are used in turn."""
        bases = [base.strip().rstrip("/") for base in addresses.split(",") if base.strip()]
        if not bases:
            raise ValueError(f"no address for {service}")
        return ServiceClient(service, bases, self)

    @property
    def session(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, limit_per_host=CONNECTIONS_MAX, keepalive_timeout=30),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=True,
            )
        return self._session

    def token(self, audience: str, context: CallContext) -> str:
        return mint_service_token(
            self._key,
            issuer=self._caller,
            audience=audience,
            request_id=context.request_id,
            act_user_id=context.user_id,
            act_store_id=context.store_id,
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


class ServiceClient:
    """Asks one service. Safe to share by all tasks of the process."""

    def __init__(self, service: str, bases: Sequence[str], calls: Calls) -> None:
        self.service = service
        self._bases: Iterator[str] = itertools.cycle(bases)
        self._calls = calls

    @overload
    async def read(
        self, path: str, *, params: Mapping[str, Any] | None = None, model: type[Answer], context: CallContext
    ) -> Answer: ...
    @overload
    async def read(
        self, path: str, *, params: Mapping[str, Any] | None = None, model: None = None, context: CallContext
    ) -> Any: ...

    async def read(
        self,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        model: type[Wire] | None = None,
        context: CallContext,
    ) -> Any:
        """One question, 500 ms. Answers the `data` of the envelope, as `model` when one is given."""
        asked = {name: str(value) for name, value in (params or {}).items() if value is not None}
        return await self._ask("GET", path, asked, None, READ_SECONDS, model, context, None)

    @overload
    async def command(
        self,
        path: str,
        body: BaseModel | Mapping[str, Any] | None = None,
        *,
        model: type[Answer],
        context: CallContext,
        key: str | None = None,
    ) -> Answer: ...
    @overload
    async def command(
        self,
        path: str,
        body: BaseModel | Mapping[str, Any] | None = None,
        *,
        model: None = None,
        context: CallContext,
        key: str | None = None,
    ) -> Any: ...

    async def command(
        self,
        path: str,
        body: BaseModel | Mapping[str, Any] | None = None,
        *,
        model: type[Wire] | None = None,
        context: CallContext,
        key: str | None = None,
    ) -> Any:
        """One change, 2 s. Both attempts carry the same key, so the other side does it once."""
        payload = b"{}" if body is None else _encoded(body)
        return await self._ask("POST", path, {}, payload, COMMAND_SECONDS, model, context, key or str(new_id()))

    async def _ask(
        self,
        method: str,
        path: str,
        params: Mapping[str, str],
        body: bytes | None,
        seconds: float,
        model: type[Wire] | None,
        context: CallContext,
        key: str | None,
    ) -> Any:
        ends_at = time.monotonic() + TOTAL_SECONDS
        request = _Request(
            method=method,
            path=path,
            params=params,
            body=body,
            headers=self._headers(context, key, body),
            seconds=seconds,
            ends_at=ends_at if context.deadline is None else min(ends_at, context.deadline),
        )
        with span("call", service=self.service, path=path):
            data = await self._attempts(request)
        return data if model is None else self._modelled(model, data)

    def _headers(self, context: CallContext, key: str | None, body: bytes | None) -> dict[str, str]:
        headers = {
            "Authorization": f"Bearer {self._calls.token(self.service, context)}",
            "X-Request-Id": context.request_id,
        }
        if key is not None:
            headers["Idempotency-Key"] = key
        if body is not None:
            headers["Content-Type"] = "application/json"
        return headers

    async def _attempts(self, request: _Request) -> Any:
        problem = "no time left"
        for attempt in range(ATTEMPTS_MAX):
            if attempt:
                await asyncio.sleep(random.uniform(0.01, 0.05))  # noqa: S311  spreads retries, no secret
            if request.remaining() < SHORTEST_ATTEMPT_SECONDS:
                break
            try:
                return await self._attempt(request)
            except (_Unusable, aiohttp.ClientError, TimeoutError, OSError) as error:
                problem = f"{type(error).__name__}: {error}"
                _failures.labels(service=self.service).inc()
        _log.warning("call.failed", service=self.service, path=request.path, problem=problem[:300])
        raise Unavailable(self.service)

    async def _attempt(self, request: _Request) -> Any:
        remaining = request.remaining()
        traceparent = current_traceparent()
        headers = request.headers | {"X-PF-Deadline-Ms": str(int(remaining * 1000))}
        if traceparent:
            headers["traceparent"] = traceparent
        async with self._calls.session.request(
            request.method,
            next(self._bases) + request.path,
            params=request.params,
            data=request.body,
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=remaining, sock_connect=min(CONNECT_SECONDS, remaining)),
            allow_redirects=False,
        ) as response:
            return self._judge(response, await response.read())

    def _judge(self, response: aiohttp.ClientResponse, body: bytes) -> Any:
        """The data of a good answer; raises the other side's refusal, or `_Unusable`."""
        if response.status == 204:  # noqa: PLR2004  the one status without a body
            return None
        try:
            answer = json.loads(body)
            if 200 <= response.status < 300:  # noqa: PLR2004  the range that is success
                return answer["data"]
            refusal = refusal_from(answer["error"], response.headers.get("Retry-After"))
        except (ValueError, KeyError, TypeError) as error:
            raise _Unusable(f"status {response.status} without an envelope") from error
        if refusal is None or _is_transient(refusal):
            raise _Unusable(f"status {response.status}")
        raise refusal

    def _modelled(self, model: type[Wire], data: Any) -> Any:
        try:
            return model.read(data)
        except ValidationError as error:
            _log.error("call.answer_invalid", service=self.service, model=model.__name__, problem=str(error)[:500])
            raise Unavailable(self.service) from error


_REFUSALS: dict[str, type[Refusal]] = {kind.code.value: kind for kind in Refusal.__subclasses__()}
_OURS_TO_FIX = (Unauthenticated,)


def refusal_from(error: Mapping[str, Any], retry_after: str | None) -> Refusal | None:
    """The refusal in an error envelope as its class; None for failures that are no answer (500, 501, 503)."""
    kind = _REFUSALS.get(error["code"])
    if kind is None or kind is Unavailable or error["code"] in {Code.INTERNAL_ERROR, Code.NOT_IMPLEMENTED}:
        return None
    seconds = int(retry_after) if retry_after and retry_after.isdecimal() else None
    return kind(error.get("reason"), error.get("message"), details=error.get("details"), retry_after=seconds)


def _is_transient(refusal: Refusal) -> bool:
    """Whether the other side may well answer otherwise in a moment, or would never accept this process.

    A refused service token says nothing about the user, and must not sign anybody out. A key still in progress is our
    own first attempt.
    """
    return isinstance(refusal, _OURS_TO_FIX) or (
        isinstance(refusal, Conflict) and refusal.reason == "request_in_progress"
    )


def _encoded(body: BaseModel | Mapping[str, Any]) -> bytes:
    if isinstance(body, BaseModel):
        return body.model_dump_json().encode()
    return json.dumps(body, separators=(",", ":"), default=str).encode()
