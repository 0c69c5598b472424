"""The chain of checks in front of every request, in the order of spec 1.6."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Final

from starlette.types import Message, Receive, Scope, Send

from chassis.answer import Answer, internal_error, no_content, refused
from chassis.auth import Context, SigningKey, bearer, mint_context
from chassis.limits import Exhausted, Limits, Standing, fields
from chassis.telemetry import counter, current_traceparent
from chassis.web.exchange import EXCHANGE, Exchange, send_answer
from contracts.identity import SessionState
from gateway.api.own import METRICS_PATH, OwnRoutes
from gateway.api.rates import Rates
from gateway.clients.access_tokens import AccessTokens
from gateway.clients.bodies import Body, ClientGone, drain
from gateway.clients.sessions import Sessions
from gateway.clients.upstreams import FIRST_BYTE_SECONDS, Forwarded, Upstreams
from gateway.domain.addresses import ClientAddress, Network, is_within
from gateway.domain.cors import PREFLIGHT, Cors
from gateway.domain.guards import guard_group, guard_store
from gateway.domain.headers import Header, forwarded, secured
from gateway.domain.paths import Path, is_api, normalised
from gateway.domain.routes import READS_BEARER, Route, RouteTable, is_credential_path
from kernel.refusal import Invalid, MethodNotAllowed, NotFound, Refusal, TooLarge, Unauthenticated

BODY_BYTES_MAX: Final = 1024 * 1024
CREDENTIAL_BODY_BYTES_MAX: Final = 64 * 1024
QUIET_PATHS: Final = frozenset({"/health/live", "/health/ready", METRICS_PATH})
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_auth_failures = counter("auth_failures_total", "Requests answered 401, by reason.", ("reason",))
_limit_hits = counter("rate_limit_hits_total", "Requests answered 429, by policy.", ("policy",))


@dataclass(frozen=True, slots=True)
class _Request:
    """One request, its path in the one spelling that guards understand."""

    exchange: Exchange
    path: Path
    query: bytes
    headers: list[Header]
    address: str
    body: Body
    receive: Receive
    send: Send

    @property
    def method(self) -> str:
        return self.exchange.method


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """The gateway as an ASGI app; `chassis.web` stands in front of it with request ids, logs and metrics."""

    tokens: AccessTokens
    sessions: Sessions
    upstreams: Upstreams
    routes: RouteTable
    own: OwnRoutes
    limits: Limits
    rates: Rates
    addresses: ClientAddress
    cors: Cors
    key: SigningKey
    anonymous: frozenset[str]
    metrics_networks: Sequence[Network]
    is_production: bool

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        exchange: Exchange = scope[EXCHANGE]
        send = self._secured(send, scope["path"], exchange.headers.get(b"origin"))
        request = None
        try:
            if self.cors.is_preflight(exchange.method, exchange.headers):
                exchange.begin("preflight")
                await send_answer(_with(no_content(), PREFLIGHT), send, 204)
                return
            request = self._request(scope, exchange, receive, send)
            await self._chain(request)
        except ClientGone:
            return
        except Refusal as refusal:
            answer = _refused(refusal, exchange.request_id)
            if isinstance(refusal, TooLarge) or (request is not None and request.body.is_left_over):
                answer, send = _with(answer, [(b"connection", b"close")]), _draining(send, receive)
            await send_answer(answer, send, 500)
        except Exception:
            if exchange.status == 0:
                await send_answer(internal_error(exchange.request_id), send, 500)
            raise

    def _request(self, scope: Scope, exchange: Exchange, receive: Receive, send: Send) -> _Request:
        """The request with its path and its body's length checked; nothing of the body is read yet."""
        if exchange.method not in METHODS:
            raise MethodNotAllowed
        path = normalised(scope["raw_path"])
        limit = CREDENTIAL_BODY_BYTES_MAX if is_credential_path(path.plain) else BODY_BYTES_MAX
        return _Request(
            exchange=exchange,
            path=path,
            query=scope["query_string"],
            headers=scope["headers"],
            address=self.addresses.of(scope["client"][0] if scope["client"] else None, scope["headers"]),
            body=Body(exchange.headers, receive, limit),
            receive=receive,
            send=send,
        )

    async def _chain(self, request: _Request) -> None:
        path = request.path.plain
        if self.own.is_open(path):
            await self._answer_open(request)
            return
        if not is_api(path):
            raise NotFound
        route = self.routes.find(path)
        request.exchange.route = _label(route, path)
        if path in self.anonymous and route is not None:
            await self._pass_on(request, route, None, await self._limited(request, None))
            return
        session = await self._session(request)
        request.exchange.begin(request.exchange.route, session.user_id, session.store_id)
        guard_group(path, session)
        if route is not None or self.own.is_ping(path):
            guard_store(path, session)
        extra = await self._limited(request, session)
        if self.own.is_ping(path):
            await send_answer(_with(self.own.answer_ping(request.method, path, session), extra), request.send, 200)
        elif route is None:
            raise NotFound
        else:
            await self._pass_on(request, route, session, extra)

    async def _answer_open(self, request: _Request) -> None:
        path = request.path.plain
        if path == METRICS_PATH and not is_within(request.address, self.metrics_networks):
            raise NotFound
        request.exchange.quiet = path in QUIET_PATHS
        request.exchange.begin(path)
        extra = await self._limited(request, None) if is_api(path) else []
        answer = await self.own.answer_open(request.method, path, request.body, request.exchange.request_id)
        await send_answer(_with(answer, extra), request.send, 200)

    async def _session(self, request: _Request) -> SessionState:
        """The live session of the bearer. Raises Unauthenticated, or Unavailable when nobody can tell."""
        given = [value for name, value in request.headers if name == b"authorization"]
        if len(given) > 1:
            raise Unauthenticated("token_invalid")
        token = bearer(given[0].decode("latin-1")) if given else None
        claims = await self.tokens.verify(token)
        return await self.sessions.check(claims, request.exchange.request_id)

    async def _limited(self, request: _Request, session: SessionState | None) -> list[Header]:
        """Use the limits of this request and tell how they stand. Raises Exhausted."""
        if not self.limits.enabled:
            return []
        uses = self.rates.uses(request.method, request.path.plain, session, request.address)
        return _told(await self.limits.demand(*uses))

    async def _pass_on(
        self, request: _Request, route: Route, session: SessionState | None, extra: list[Header]
    ) -> None:
        query = f"?{request.query.decode('ascii', 'replace')}" if request.query else ""
        await self.upstreams.pass_on(
            Forwarded(
                service=route.service,
                method=request.method,
                target=request.path.wire + query,
                headers=self._upstream_headers(request, route.service, session),
                body=request.body,
            ),
            request.receive,
            request.send,
            extra,
        )

    def _upstream_headers(self, request: _Request, service: str, session: SessionState | None) -> list[tuple[str, str]]:
        """What the client sent and may send, then what only the gateway may say."""
        path, exchange = request.path.plain, request.exchange
        try:
            headers = forwarded(request.headers)
        except UnicodeDecodeError:
            raise Invalid(message="malformed header") from None
        context = _context(exchange.request_id, session)
        token = mint_context(self.key, context, audience=service, method=request.method, path=path)
        remaining = FIRST_BYTE_SECONDS - (perf_counter() - exchange.started)
        headers += [
            ("X-PF-Context", token),
            ("X-PF-Client-IP", request.address),
            ("X-PF-Deadline-Ms", str(max(0, int(remaining * 1000)))),
            ("X-Request-Id", exchange.request_id),
        ]
        traceparent = current_traceparent()
        if traceparent is not None:
            headers.append(("traceparent", traceparent))
        authorization = exchange.header(b"authorization")
        if path in READS_BEARER and authorization is not None:
            headers.append(("Authorization", authorization))
        return headers

    def _secured(self, send: Send, path: str, origin: bytes | None) -> Send:
        readable, no_store, is_production = self.cors.headers(origin), is_api(path), self.is_production

        async def secured_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = secured(message["headers"], readable, is_api=no_store, is_production=is_production)
            await send(message)

        return secured_send


def _draining(send: Send, receive: Receive) -> Send:
    """Sends the whole answer at once, and ends it when the rest of the request has been read or given up."""

    async def send_then_drain(message: Message) -> None:
        if message["type"] != "http.response.body":
            await send(message)
            return
        await send({**message, "more_body": True})
        await drain(receive)
        await send({"type": "http.response.body", "body": b""})

    return send_then_drain


def _context(request_id: str, session: SessionState | None) -> Context:
    """Who is asking, as the session says and not as the token does."""
    if session is None:
        return Context(request_id=request_id)
    return Context(
        request_id=request_id,
        user_id=session.user_id,
        sid=session.sid,
        store_id=session.store_id,
        store_type=session.store_type,
        kyc_status=session.kyc_status,
        role=session.role,
        system_role=session.system_role,
    )


def _label(route: Route | None, path: str) -> str:
    if route is not None:
        return route.label
    return path if OwnRoutes.is_ping(path) else "unmatched"


def _told(standings: Sequence[Standing]) -> list[Header]:
    return [(name.lower().encode(), value.encode()) for name, value in fields(standings).items()]


def _with(answer: Answer, extra: Sequence[Header]) -> Answer:
    more = tuple((name.decode(), value.decode()) for name, value in extra)
    return replace(answer, headers=(*answer.headers, *more))


def _refused(refusal: Refusal, request_id: str) -> Answer:
    answer = refused(refusal, request_id)
    if isinstance(refusal, Unauthenticated):
        _auth_failures.labels(refusal.reason or "unknown").inc()
        return _with(answer, [(b"www-authenticate", b"Bearer")])
    if isinstance(refusal, Exhausted):
        _limit_hits.labels(refusal.standings[-1].policy.name).inc()
        return _with(answer, _told(refusal.standings))
    return answer
