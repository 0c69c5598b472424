"""Passwords, tokens and keys that count for longer than they should, or for less."""

from typing import Any

from chassis.db import Tx
from planted.registry import plant, replaced


@plant("a proof that never ages", evidence=r"\(200, None\) == \(401")
def ageless_proof() -> None:
    from identity.repo import users

    stamp_login = users.stamp_login

    class Trusting:
        """A transaction that does not ask whether the password is still the same."""

        def __init__(self, tx: Tx) -> None:
            self._tx = tx

        async def fetchrow(self, statement: str, *given: object) -> Any:
            same = "password_changed_at is not distinct from $2"
            return await self._tx.fetchrow(replaced(statement, same, "($2::timestamptz is null or true)"), *given)

    async def trusting(tx: Any, proof: Any) -> Any:
        return await stamp_login(Trusting(tx), proof)  # type: ignore[arg-type]

    users.stamp_login = trusting


@plant("a reset token looked at and not used up", evidence=r"\[200, 200")
def token_kept() -> None:
    from identity.repo import passwords

    async def looked_at(*_given: Any) -> bool:
        return True

    passwords.use_token = looked_at


@plant("a new password that ends no session", evidence="revoked")
def sessions_kept() -> None:
    from identity.usecases import passwords

    async def nothing(*_given: Any) -> None:
        return

    passwords.end_sessions = nothing


@plant("a predecessor that leaves at once", evidence="token_invalid")
def hasty_rotation() -> None:
    from chassis.auth import rings

    rings.PUBLISHED_AFTER_SECONDS = 0
