"""Changing, forgetting and resetting passwords (spec 2.2)."""

from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

from chassis.db import Tx
from contracts.identity import SecurityAlert
from identity.domain.passwords import RESET_TOKEN_LIFE, TEMPORARY_LIFE
from identity.domain.people import Proof
from identity.domain.sessions import Change
from identity.repo import passwords, sessions
from identity.usecases.sessions import end_sessions
from kernel.refusal import NotFound, Unauthenticated


async def change_password(tx: Tx, change: Change, proof: Proof, password_hash: str, sid: UUID) -> None:
    """By somebody who knows the old one. Their session goes on, free of a change that was due; all others end.

    Raises Unauthenticated when the password is another one by now, or the session is over.
    """
    if not await passwords.lock_proved(tx, proof):
        raise Unauthenticated("bad_credentials")
    live = await sessions.locked_of_user(tx, proof.user_id)
    if sid not in live:
        raise Unauthenticated("session_revoked")
    others = [one for one in live if one != sid]
    await _replace(tx, change, proof.user_id, password_hash, ending=others)
    await sessions.note_change(tx, change, [sid])
    await sessions.free_of_new_password(tx, sid)
    tx.audit("auth.password_changed", "user", proof.user_id, {"sid": sid, "sessions_ended": len(others)})


async def keep_reset_token(tx: Tx, email: str, token_sha256: bytes, email_mark: str) -> bool:
    """Whether the e-mail has an account that may be set another password with this token, within the hour."""
    holder = await passwords.keep_token(tx, email, token_sha256, RESET_TOKEN_LIFE)
    tx.audit("auth.password_forgotten", "user", holder, {"email_mark": email_mark})
    return holder is not None


async def reset_password(tx: Tx, change: Change, user_id: UUID, token_sha256: bytes, password_hash: str) -> None:
    """By somebody who has the one-time token, which of several at once only one can use. All sessions end.

    Raises Unauthenticated when the token is not good any more, or the user was deactivated.
    """
    user = await passwords.lock(tx, user_id)
    if user is None or not user.is_active or not await passwords.use_token(tx, user_id, token_sha256):
        raise Unauthenticated("token_invalid")
    live = await sessions.locked_of_user(tx, user_id)
    await _replace(tx, change, user_id, password_hash, ending=live)
    tx.audit("auth.password_reset", "user", user_id, {"sessions_ended": len(live)})


async def set_temporary(tx: Tx, change: Change, user_id: UUID, password_hash: str) -> None:
    """By an admin. All sessions end; the next one can do nothing but set another password. Raises NotFound."""
    if await passwords.lock(tx, user_id) is None:
        raise NotFound
    live = await sessions.locked_of_user(tx, user_id)
    await _replace(tx, change, user_id, password_hash, ending=live, life=TEMPORARY_LIFE)
    tx.audit("user.password_reset", "user", user_id, {"sessions_ended": len(live)})


async def _replace(
    tx: Tx,
    change: Change,
    user_id: UUID,
    password_hash: str,
    *,
    ending: Collection[UUID],
    life: timedelta | None = None,
) -> None:
    """The user and their live sessions are locked."""
    await passwords.replace(tx, user_id, password_hash, life)
    await end_sessions(tx, change, list(ending), "password")
    tx.emit(SecurityAlert(user_id=user_id, kind="password_changed", occurred_at=tx.now))
