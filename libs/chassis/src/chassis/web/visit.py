"""One request through one door, step by step in the order of spec 1.5."""

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from chassis import idempotency
from chassis.answer import Answer, refused
from chassis.audit import AuditEntry, record_denied
from chassis.auth import Context, ServiceCaller, bearer, verify_context, verify_service_token
from chassis.telemetry import counter, get_logger
from chassis.web.call import Call, actor_of
from chassis.web.exchange import EXCHANGE, Exchange, send_answer
from chassis.web.plan import Plan
from chassis.web.strict_json import BODY_MAX, malformed
from kernel.refusal import Invalid, Refusal, TooLarge, Unauthenticated, Unavailable

if TYPE_CHECKING:
    from chassis.web.doors import Rule

REQUEST_SECONDS: Final = 15.0

log = get_logger(__name__)
_auth_failures = counter("auth_failures_total", "Requests without a usable token.", ("reason",))


class Visit:
    """Answers one request at one door. What it answers is sent by `send`."""

    __slots__ = ("caller", "exchange", "plan", "receive", "rule", "scope")

    def __init__(self, rule: "Rule", plan: Plan, scope: Scope, receive: Receive) -> None:
        self.rule = rule
        self.plan = plan
        self.scope = scope
        self.receive = receive
        self.exchange: Exchange = scope[EXCHANGE]
        self.caller: Context | ServiceCaller | None = None

    async def answer(self) -> Answer | Response:
        """The endpoint's answer, a stored one, or a refusal. A defect goes on to the panic guard."""
        try:
            caller = self._admitted()
            key = self.rule.keys.read(self.exchange.header(b"idempotency-key"))
            call = self._call(caller)
            raw = await self._body() if self.plan.has_body else b""
            arguments = self.plan.arguments(call, self.scope["path_params"], self.scope["query_string"], raw)
            if key is None:
                return await self._run(call, arguments)
            return await self._run_once(call, arguments, self._key_scope(call, key, raw, arguments))
        except Refusal as refusal:
            await self._leave_trace(refusal)
            return refused(refusal, self.exchange.request_id)

    async def send(self, answer: Answer, send: Send) -> None:
        await send_answer(answer, send, self.rule.statuses[0])

    def _admitted(self) -> Context | ServiceCaller:
        """Who asks, when it is one of the declared callers."""
        try:
            caller = self._caller()
        except Unauthenticated as refusal:
            self._begin(None)
            _auth_failures.labels(refusal.reason or "unknown").inc()
            raise
        self._begin(caller)
        self.caller = caller
        if isinstance(caller, ServiceCaller):
            self.rule.allow.admit_service(caller)
        else:
            self.rule.allow.admit(caller)
        return caller

    def _caller(self) -> Context | ServiceCaller:
        floor, exchange = self.exchange.floor, self.exchange
        if self.rule.allow.who == "open":
            return Context(request_id=exchange.request_id)
        if self.rule.allow.who == "service":
            token = bearer(exchange.header(b"authorization"))
            return verify_service_token(floor.trust, token, audience=floor.service.name)
        return verify_context(
            floor.trust,
            exchange.header(b"x-pf-context"),
            audience=floor.service.name,
            method=exchange.method,
            path=self.scope["path"],
        )

    def _begin(self, caller: Context | ServiceCaller | None) -> None:
        """The signed request id is the one that counts; a header beside it may be anything."""
        if caller is None:
            self.exchange.begin(self.rule.path)
            return
        self.exchange.request_id = caller.request_id
        if isinstance(caller, ServiceCaller):
            self.exchange.begin(self.rule.path, caller.act_user_id, caller.act_store_id)
        else:
            self.exchange.begin(self.rule.path, caller.user_id, caller.store_id)

    def _call(self, caller: Context | ServiceCaller) -> Call:
        given = self.exchange.header(b"x-pf-deadline-ms")
        seconds = REQUEST_SECONDS
        if given is not None and given.isdecimal() and len(given) < 7:  # noqa: PLR2004  longer is more than 15 s
            seconds = min(int(given) / 1000, REQUEST_SECONDS)
        return Call(
            self.exchange,
            caller,
            deadline=time.monotonic() + seconds,
            status=self.rule.statuses[0],
            keyed=self.rule.keys.kind != "none",
        )

    async def _body(self) -> bytes:
        """The raw body, at most 1 MiB of it, and JSON by its content type where it has one."""
        declared = self.exchange.header(b"content-length")
        if declared is not None and declared.isdecimal() and int(declared) > BODY_MAX:
            raise TooLarge
        chunks: list[bytes] = []
        size = 0
        more = True
        while more:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise Invalid(details={"error": "the body ended early"})
            chunks.append(message.get("body", b""))
            size += len(chunks[-1])
            if size > BODY_MAX:
                raise TooLarge
            more = message.get("more_body", False)
        if size and not _is_json(self.exchange.header(b"content-type")):
            raise malformed("the content type must be application/json")
        return b"".join(chunks)

    async def _run(self, call: Call, arguments: dict[str, Any]) -> Answer | Response:
        """The endpoint, within the deadline."""
        remaining = (call.deadline or 0) - time.monotonic()
        try:
            async with asyncio.timeout(remaining):
                answer: Answer | Response = await self.plan.endpoint(**arguments)
                return answer
        except TimeoutError as error:
            log.warning("request.timed_out", route=self.rule.path)
            raise Unavailable(self.exchange.floor.service.name) from error

    async def _run_once(self, call: Call, arguments: dict[str, Any], scope: idempotency.Scope) -> Answer | Response:
        """The endpoint under a claim, or the answer the key already has."""
        taken = await idempotency.take(call.db, scope, self.rule.keys.keep)
        if isinstance(taken, idempotency.Stored):
            return await self._replay(call, taken)
        call.claim = taken
        try:
            answer = await self._run(call, arguments)
            return await self._finished(call, taken, answer)
        except idempotency.LostClaimError:
            return await self._replay(call, await idempotency.present(call.db, scope))
        except Refusal as refusal:
            return await self._settle(call, taken, refusal)
        except BaseException:
            await asyncio.shield(self._release(call, taken))
            raise

    async def _finished(self, call: Call, claim: idempotency.Claim, answer: Answer | Response) -> Answer | Response:
        """An endpoint that had nothing to change still has one answer per key."""
        if claim.finished:
            return answer
        if not isinstance(answer, Answer):
            raise TypeError("a streamed answer cannot be stored under a key")
        async with call.reader() as db:
            await idempotency.finish(db, claim, answer, self.rule.statuses[0])
        claim.finished = True
        return answer

    async def _settle(self, call: Call, claim: idempotency.Claim, refusal: Refusal) -> Answer:
        """Store a final refusal; give the key back after any other, unless the effect was committed after all."""
        answer = refused(refusal, call.request_id)
        if claim.finished:
            return answer
        if not idempotency.is_storable(refusal):
            stored = await asyncio.shield(self._release(call, claim))
            return answer if stored is None else await self._replay(call, stored)
        try:
            async with call.reader() as db:
                await idempotency.finish(db, claim, answer, self.rule.statuses[0])
        except idempotency.LostClaimError:
            return await self._replay(call, await idempotency.present(call.db, claim.scope))
        return answer

    async def _release(self, call: Call, claim: idempotency.Claim) -> idempotency.Stored | None:
        """A key that cannot be given back now is free again when its lease ends."""
        try:
            return await idempotency.release(call.db, claim)
        except Refusal as refusal:
            log.warning("idempotency.not_released", reason=refusal.reason)
            return None

    async def _replay(self, call: Call, stored: idempotency.Stored) -> Answer:
        """The stored answer, or what the route makes of it when parts of it were never stored."""
        answer = stored.replayed()
        if self.rule.replay is not None and stored.status < 400:  # noqa: PLR2004  refusals are stored whole
            made = await self.rule.replay(call, stored)
            answer = Answer(
                made.body, made.status or stored.status, (*made.headers, *answer.headers), made.content_type
            )
        return answer

    async def _leave_trace(self, refusal: Refusal) -> None:
        """What agents and admins were refused stands in the audit log (spec 16.1); it never changes the answer."""
        floor, caller = self.exchange.floor, self.caller
        watched = self.rule.allow.who in {"agent", "admin"} and idempotency.is_storable(refusal)
        if not watched or not isinstance(caller, Context) or caller.user_id is None or floor.service.metadata is None:
            return
        facts = {"path": self.scope["path"], "code": refusal.code.value, "reason": refusal.reason}
        action = f"{self.rule.allow.who}.{self.plan.endpoint.__name__}"
        entry = AuditEntry(actor_of(caller, None), self.exchange.request_id, action, "route", None, facts)
        try:
            await record_denied(floor.db, entry)
        except Refusal as failure:
            log.warning("audit.denied_not_recorded", action=action, reason=failure.reason)

    def _key_scope(self, call: Call, key: str, raw: bytes, arguments: dict[str, Any]) -> idempotency.Scope:
        secret = call.floor.settings.hmac_secret.get_secret_value()
        return idempotency.Scope(
            actor_key=self._actor_key(call, secret, arguments),
            store_id=call.store_id,
            method=self.rule.method,
            path=self.scope["path"],
            key=key,
            body_hmac=idempotency.fingerprint(secret, "body", raw),
        )

    def _actor_key(self, call: Call, secret: str, arguments: dict[str, Any]) -> str:
        if call.service is not None:
            return f"service:{call.service}"
        if self.rule.keyed_by is not None:
            body = arguments[self.plan.body[0]] if self.plan.body else None
            value = str(getattr(body, self.rule.keyed_by))
            return idempotency.fingerprint(secret, self.rule.keyed_by, value.encode()).hex()
        return str(call.user)


def _is_json(content_type: str | None) -> bool:
    if content_type is None:
        return True
    kind = content_type.partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))
