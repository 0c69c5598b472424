"""Whether a session is alive: a process's memory for half a second, then Redis, then identity, whose word is final."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from uuid import UUID

from pydantic import ValidationError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from chassis.auth import AccessClaims
from chassis.telemetry import counter, get_logger
from contracts.identity import SESSION_KEY, SessionState
from kernel.refusal import NotFound, Unauthenticated

POSITIVE_SECONDS = 0.5
REDIS_SECONDS_MAX = 0.25
REDIS_REST_SECONDS = 1.0
REMEMBERED_MAX = 10_000

Ask = Callable[[UUID, str], Awaitable[SessionState]]

_log = get_logger(__name__)
_answers = counter("gateway_session_answers_total", "Session checks by who answered.", ("source",))


class Sessions:
    """Decides by session state. `ask` puts the question to identity; it raises NotFound for a session that is over
    and Unavailable when identity is away.

    Only identity can refuse a token that is otherwise good, because a copy may be older than the token; a copy that
    says "revoked" is believed, because a session never comes back.
    """

    def __init__(self, redis: Redis, ask: Ask) -> None:
        self._redis = redis
        self._ask = ask
        self._remembered: dict[UUID, tuple[SessionState, float]] = {}
        self._away_until = 0.0

    async def check(self, claims: AccessClaims, request_id: str) -> SessionState:
        """The live session that this token belongs to. Raises Unauthenticated "session_revoked", or Unavailable when
        neither Redis nor identity can tell.
        """
        remembered = self._remembered.get(claims.sid)
        now = time.monotonic()
        if remembered is not None and remembered[1] > now and agrees(remembered[0], claims):
            return remembered[0]
        state = await self._hot_copy(claims.sid)
        source = "redis"
        if state is None or _must_ask(state, claims, remembered and remembered[0]):
            state, source = await self._truth(claims.sid, request_id), "identity"
        _answers.labels(source).inc()
        if state is None or state.revoked or not agrees(state, claims):
            self._remembered.pop(claims.sid, None)
            raise Unauthenticated("session_revoked")
        self._remember(state, now + POSITIVE_SECONDS)
        return state

    def _remember(self, state: SessionState, until: float) -> None:
        """Counted from before the question was put, so that the answer's own age is part of the half second."""
        if len(self._remembered) >= REMEMBERED_MAX:
            self._remembered.clear()
        self._remembered[state.sid] = (state, until)

    async def _hot_copy(self, sid: UUID) -> SessionState | None:
        """The copy in Redis; None when there is none, it cannot be read, or Redis is away."""
        now = time.monotonic()
        if now < self._away_until:
            return None
        try:
            async with asyncio.timeout(REDIS_SECONDS_MAX):
                text = await self._redis.get(SESSION_KEY.format(sid=sid))
            return None if text is None else SessionState.model_validate_json(text, extra="ignore")
        except (RedisError, OSError, TimeoutError) as error:
            self._away_until = now + REDIS_REST_SECONDS
            _log.warning("sessions.redis_away", error=type(error).__name__)
        except ValidationError:
            _log.warning("sessions.copy_unreadable", sid=str(sid))
        return None

    async def _truth(self, sid: UUID, request_id: str) -> SessionState | None:
        try:
            return await self._ask(sid, request_id)
        except NotFound:
            return None


def _must_ask(copy: SessionState, claims: AccessClaims, known: SessionState | None) -> bool:
    """Whether a copy cannot be believed: it says so itself, it is older than what this process has seen, or it would
    refuse the token, which may be newer than the copy.
    """
    if copy.revoked:
        return False
    is_older = known is not None and _age(copy) < _age(known)
    return copy.ask or is_older or not agrees(copy, claims)


def _age(state: SessionState) -> tuple[int, int]:
    return state.membership_version, state.generation


def agrees(state: SessionState, claims: AccessClaims) -> bool:
    """Whether the token is the one the session accepts, and says of the scope what the session says."""
    return (
        state.jti == claims.jti
        and state.user_id == claims.user_id
        and state.store_id == claims.store_id
        and state.store_type == claims.store_type
        and state.role == claims.role
        and state.system_role == claims.system_role
    )
