"""Opening, exchanging, switching and ending sessions (spec 1.6)."""

import secrets
from dataclasses import dataclass
from uuid import UUID

from chassis.db import Tx
from chassis.ids import new_id
from contracts.identity import SecurityAlert
from identity.domain import tokens
from identity.domain.people import Membership, User
from identity.domain.sessions import Change, Family, RefreshToken, Reuse, judge_reuse
from identity.domain.tokens import Secret
from identity.repo import memberships, sessions, stores, users
from kernel.refusal import Forbidden, Unauthenticated


@dataclass(frozen=True, slots=True)
class Signed:
    """A session as it stands after the change, and the refresh token of its present generation."""

    family: Family
    refresh_token: str


def fresh_token() -> str:
    """A random one, for a session or for one use."""
    return tokens.encoded(secrets.token_bytes(tokens.TOKEN_BYTES))


async def open_session(tx: Tx, user: User, store: Membership | None, opened_from: str) -> Signed:
    """A new family for somebody who has proved who they are. The store's lock, if any, is held already."""
    token = fresh_token()
    family = sessions.NewFamily(
        id=new_id(),
        user_id=user.id,
        standing=sessions.Standing(
            membership=store, system_role=user.system_role, must_change_password=user.must_change_password
        ),
        first_token=tokens.token_hash(token),
        opened_from=opened_from,
    )
    await sessions.open_family(tx, family)
    return Signed(await _present(tx, family.id), token)


async def exchange(tx: Tx, change: Change, sid: UUID, presented: str, client: str, secret: Secret) -> Signed | None:
    """One generation forward, or the same answer again to a client that lost it.

    None means theft: the family is revoked, which must be committed before the caller is refused. An unknown token, a
    session that is over and a user without standing raise Unauthenticated and change nothing.
    """
    family = await sessions.locked(tx, sid)
    token = await sessions.token(tx, sid, tokens.token_hash(presented))
    if family is None or token is None:
        raise Unauthenticated("token_invalid")
    if family.is_over:
        raise Unauthenticated("session_revoked")
    standing = await _standing(tx, family)
    successor = tokens.successor_token(secret, sid, token.generation + 1, presented)
    if token.used_at is not None:
        return await _again(tx, change, family, token, successor, client)
    await sessions.note_change(tx, change, [sid])
    if not await sessions.rotate(tx, token, tokens.token_hash(successor), client, standing):
        raise Unauthenticated("session_revoked")
    return Signed(await _present(tx, sid), successor)


async def _again(
    tx: Tx, change: Change, family: Family, token: RefreshToken, successor: str, client: str
) -> Signed | None:
    meaning = judge_reuse(token, family, client)
    if meaning is Reuse.REPEAT:
        return Signed(family, successor)
    if meaning is Reuse.OVERTAKEN:
        raise Unauthenticated("token_invalid")
    await end_sessions(tx, change, [family.id], "refresh_reuse")
    tx.emit(SecurityAlert(user_id=family.user_id, kind="refresh_reuse", occurred_at=tx.now))
    tx.audit("auth.refresh_reuse", "session", family.id, {"user_id": family.user_id, "generation": token.generation})
    return None


async def _standing(tx: Tx, family: Family) -> sessions.Standing:
    """User and membership as they are now. Raises Unauthenticated when nothing is left to stand on."""
    user = await users.by_id(tx, family.user_id)
    store = None
    if family.active_store_id is not None:
        store = await memberships.find(tx, family.user_id, family.active_store_id)
        if store is None:
            raise Unauthenticated("session_revoked")
    if user is None or not user.is_active or (store is None and user.system_role is None):
        raise Unauthenticated("session_revoked")
    return sessions.Standing(
        membership=store, system_role=user.system_role, must_change_password=user.must_change_password
    )


async def switch_store(tx: Tx, change: Change, sid: UUID, store_id: UUID, client: str) -> tuple[Signed, Membership]:
    """Another store for the same session. The tokens of the former generation are dead from here on.

    Raises Forbidden for a store that the user is no active member of, whether it exists or not, and for a user who was
    deactivated; Unauthenticated for a session that is over.
    """
    await stores.hold(tx, store_id)
    family = await sessions.locked(tx, sid)
    if family is None or (family.is_over and family.user_is_active):
        raise Unauthenticated("session_revoked")
    user = await users.by_id(tx, family.user_id)
    store = await memberships.find(tx, family.user_id, store_id)
    if user is None or not user.is_active or store is None:
        raise Forbidden("role_missing", "no active membership of this store")
    await sessions.note_change(tx, change, [sid])
    token = fresh_token()
    standing = sessions.Standing(
        membership=store, system_role=user.system_role, must_change_password=user.must_change_password
    )
    await sessions.replace_token(tx, family, tokens.token_hash(token), client, standing)
    return Signed(await _present(tx, sid), token), store


async def end_sessions(tx: Tx, change: Change, sids: list[UUID], reason: str) -> None:
    """Revoke for good; sessions that had ended before stay as they are."""
    await sessions.note_change(tx, change, sids)
    await sessions.revoke(tx, sids, reason)


async def _present(tx: Tx, sid: UUID) -> Family:
    return (await sessions.find(tx, [sid]))[0]
