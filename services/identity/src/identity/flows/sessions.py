"""Refresh, log out, switch stores."""

from uuid import UUID

from chassis.auth import AccessClaims
from chassis.web import Call
from identity.clients.access_keys import AccessKeys
from identity.domain.people import Membership
from identity.domain.tokens import Secret, client_mark
from identity.flows.hot_copies import changing
from identity.usecases import sessions
from identity.usecases.sessions import Signed
from kernel.refusal import Unauthenticated, Unavailable


def _claims(call: Call) -> AccessClaims:
    """The bearer that refresh and logout read themselves; it may be expired."""
    return call.client(AccessKeys).read(call.bearer, call.clock.now())


def _client(call: Call) -> str:
    return client_mark(call.client(Secret), call.client_ip, call.user_agent)


async def refresh(call: Call, presented: str) -> Signed:
    """The next generation, or the same answer again for a client that lost it; else the session is over (spec 1.6)."""
    sid = _claims(call).sid
    async with changing(call, [sid]) as change, call.step() as tx:
        signed = await sessions.exchange(tx, change, sid, presented, _client(call), call.client(Secret))
    if signed is None:
        raise Unauthenticated("session_revoked")
    return signed


async def log_out(call: Call) -> None:
    """End the session for good.

    The end is committed in any case. Raises Unavailable when a gateway might still take the older hot copy for true,
    because Redis could be told neither before nor after; asking again is safe.
    """
    sid = _claims(call).sid
    async with changing(call, [sid]) as change, call.step() as tx:
        await sessions.end_sessions(tx, change, [sid], "logout")
    if not change.is_certain:
        raise Unavailable("redis")


async def switch_store(call: Call, store_id: UUID) -> tuple[Signed, Membership]:
    if call.sid is None:
        raise Unauthenticated("token_missing")
    async with changing(call, [call.sid]) as change, call.step() as tx:
        return await sessions.switch_store(tx, change, call.sid, store_id, _client(call))
