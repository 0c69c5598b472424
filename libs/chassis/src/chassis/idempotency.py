"""The whole contract of spec 1.5: a request with an Idempotency-Key has one effect and one answer.

A claim is a row in progress, inserted before any work in a transaction of its own. Work finishes it inside its own
transaction, so the effect and its answer are committed together or not at all. Who has lost the claim cannot commit.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Self
from uuid import UUID, uuid4

from pydantic_core import from_json

from chassis.answer import STATUS, Answer
from chassis.db import Database, Reader, Tx
from chassis.failpoints import failpoint
from chassis.ids import new_id
from kernel.refusal import Conflict, KeyReused, Refusal

LEASE_SECONDS: Final = 30
RETRY_AFTER_SECONDS: Final = 1
_STORABLE: Final = frozenset({400, 403, 404, 409, 422})
_PURGE_BATCH: Final = 1000


@dataclass(frozen=True, slots=True)
class Scope:
    """What one key stands for: who, for which store, doing what where, with which body."""

    actor_key: str
    store_id: UUID | None
    method: str
    path: str
    key: str
    body_hmac: bytes

    def to_dict(self) -> dict[str, str | None]:
        """JSON values, for a row that lets another process finish the claim."""
        return {
            "actor_key": self.actor_key,
            "store_id": str(self.store_id) if self.store_id else None,
            "method": self.method,
            "path": self.path,
            "key": self.key,
            "body_hmac": self.body_hmac.hex(),
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        store_id = stored["store_id"]
        return cls(
            actor_key=stored["actor_key"],
            store_id=UUID(store_id) if store_id else None,
            method=stored["method"],
            path=stored["path"],
            key=stored["key"],
            body_hmac=bytes.fromhex(stored["body_hmac"]),
        )


@dataclass(slots=True)
class Claim:
    """A claim this process holds until its lease ends. `finished` once its answer is committed."""

    scope: Scope
    id: UUID
    token: UUID
    finished: bool = False


@dataclass(frozen=True, slots=True)
class Stored:
    """The finished answer of an earlier request with the same key and body."""

    status: int
    content_type: str | None
    body: bytes

    @property
    def data(self) -> Any:
        """The `data` of the stored envelope; None for an answer without one."""
        return from_json(self.body).get("data") if self.body else None

    def replayed(self) -> Answer:
        return Answer(self.body, self.status, (("idempotency-replayed", "true"),), self.content_type)


class LostClaimError(Exception):
    """Somebody else has taken this claim over or finished it; whatever was done under it is rolled back."""


def fingerprint(secret: str, purpose: str, content: bytes) -> bytes:
    """HMAC-SHA-256 under a server key, so that a stored fingerprint cannot be used to guess what it was made of."""
    return hmac.digest(secret.encode(), purpose.encode() + b"\0" + content, "sha256")


def is_storable(refusal: Refusal) -> bool:
    """Whether a refusal is the final answer of its key: not 5xx, 401, 429, nor anything that may be tried again."""
    return STATUS[refusal.code] in _STORABLE and refusal.retry_after is None


async def take(db: Database, scope: Scope, keep: timedelta) -> Claim | Stored:
    """Claim the key before any work, or answer what it has become.

    Raises `KeyReused` when the key was used with another body, and `Conflict` (request_in_progress, with retry_after)
    while somebody else holds it.
    """
    token = uuid4()
    async with db.reader() as reader:
        claimed = await reader.fetchval(
            _CLAIM,
            new_id(), scope.actor_key, scope.store_id, scope.method, scope.path, scope.key, scope.body_hmac, token,
            keep,
        )  # fmt: skip
        if claimed is None:
            return await _present(reader, scope)
    await failpoint("idempotency.claimed")
    return Claim(scope, claimed, token)


async def present(db: Database, scope: Scope) -> Stored:
    """The answer this key has by now; raises as `take` does when there is none."""
    async with db.reader() as reader:
        return await _present(reader, scope)


async def finish(reader: Reader, claim: Claim, answer: Answer, status: int) -> None:
    """Write the answer into the claim; raises `LostClaimError` when it is no longer ours."""
    body = answer.body if answer.kept is None else answer.kept
    status = answer.status or status
    done = await reader.fetchval(_FINISH, claim.id, claim.token, status, answer.content_type, body)
    if done is None:
        raise LostClaimError
    await failpoint("idempotency.finished")


async def release(db: Database, claim: Claim) -> Stored | None:
    """Give the key back after a failure that is no answer.

    When the outcome of a COMMIT was unknown the record may be done after all; then that answer is returned.
    """
    async with db.reader() as reader:
        released = await reader.fetchval(_RELEASE, claim.id, claim.token)
        if released is not None:
            return None
        row = await reader.fetchrow(_READ_MINE, claim.id, claim.token)
    if row is None:
        return None
    return Stored(row["status_code"], row["content_type"], row["body"])


async def write_done(tx: Tx, scope: Scope, answer: Answer, *, keep: timedelta) -> bool:
    """Finish a key from another process, whoever holds its claim or when it is gone.

    An answer that is there already stays; then False. The former holder can no longer commit.
    """
    body = answer.body if answer.kept is None else answer.kept
    written = await tx.fetchval(
        _WRITE_DONE,
        new_id(), scope.actor_key, scope.store_id, scope.method, scope.path, scope.key, scope.body_hmac, uuid4(), keep,
        answer.status or 200, answer.content_type, body,
    )  # fmt: skip
    return written is not None


async def delete_expired(db: Database) -> int:
    """Delete what has been kept long enough, in batches."""
    deleted = 0
    async with db.reader() as reader:
        while rows := await reader.fetch(_DELETE_EXPIRED, _PURGE_BATCH):
            deleted += len(rows)
    return deleted


async def _present(reader: Reader, scope: Scope) -> Stored:
    store = () if scope.store_id is None else (scope.store_id,)
    statement = _READ_STORE if store else _READ_NO_STORE
    row = await reader.fetchrow(statement, scope.actor_key, scope.method, scope.path, scope.key, *store)
    if row is not None and not hmac.compare_digest(row["body_hmac"], scope.body_hmac):
        raise KeyReused(details={"key": scope.key})
    if row is None or row["state"] != "done":
        raise Conflict("request_in_progress", retry_after=RETRY_AFTER_SECONDS)
    return Stored(row["status_code"], row["content_type"], row["body"])


# Claim and takeover are one statement, so that two requests cannot both believe they were first. A record that is kept
# no longer counts as absent, whatever its body was.
_CLAIM: Final = f"""
    insert into idempotency_records as kept
        (id, actor_key, store_id, method, path, key, body_hmac, state, claim_token, lease_expires_at, expires_at)
    values ($1, $2, $3, $4, $5, $6, $7, 'in_progress', $8,
            clock_now() + interval '{LEASE_SECONDS} seconds', clock_now() + $9::interval)
    on conflict (actor_key, store_id, method, path, key) do update set
        body_hmac = excluded.body_hmac, state = 'in_progress', claim_token = excluded.claim_token,
        lease_expires_at = excluded.lease_expires_at, expires_at = excluded.expires_at, created_at = clock_now(),
        status_code = null, content_type = null, body = null
    where kept.expires_at <= clock_now()
       or (kept.state = 'in_progress' and kept.lease_expires_at <= clock_now() and kept.body_hmac = excluded.body_hmac)
    returning id
"""
# `is not distinct from` would not use the index, so there is one statement with and one without a store.
_READ: Final = """
    select state, body_hmac, status_code, content_type, body from idempotency_records
    where actor_key = $1 and method = $2 and path = $3 and key = $4
"""
_READ_STORE: Final = f"{_READ} and store_id = $5"
_READ_NO_STORE: Final = f"{_READ} and store_id is null"
_READ_MINE: Final = """
    select status_code, content_type, body from idempotency_records
    where id = $1 and claim_token = $2 and state = 'done'
"""
_FINISH: Final = """
    update idempotency_records set state = 'done', status_code = $3, content_type = $4, body = $5
    where id = $1 and claim_token = $2 and state = 'in_progress'
    returning id
"""
_RELEASE: Final = """
    delete from idempotency_records where id = $1 and claim_token = $2 and state = 'in_progress' returning id
"""
_WRITE_DONE: Final = """
    insert into idempotency_records as kept
        (id, actor_key, store_id, method, path, key, body_hmac, state, claim_token, lease_expires_at, expires_at,
         status_code, content_type, body)
    values ($1, $2, $3, $4, $5, $6, $7, 'done', $8, clock_now(), clock_now() + $9::interval, $10, $11, $12)
    on conflict (actor_key, store_id, method, path, key) do update set
        state = 'done', claim_token = excluded.claim_token, status_code = excluded.status_code,
        content_type = excluded.content_type, body = excluded.body
    where kept.state = 'in_progress' and kept.body_hmac = excluded.body_hmac
    returning id
"""
_DELETE_EXPIRED: Final = """
    delete from idempotency_records where id in
        (select id from idempotency_records where expires_at <= clock_now() limit $1 for update skip locked)
    returning id
"""
