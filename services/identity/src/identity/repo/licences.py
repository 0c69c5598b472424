"""Licences. Tenant reads take a StoreScope; the others serve the house and the clock."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from chassis.db import Reader, Record, Tx
from chassis.ids import new_id
from contracts.identity import LicenseStatus
from contracts.media import MediaReference
from identity.domain.licences import KEPT_AFTER_EXPIRY, WARNED_BEFORE, Licence, NewLicence, Paging
from identity.domain.media import Medium
from identity.domain.names import licence_key
from kernel.page import Page, binding, cut, decode_cursor, encode_cursor
from kernel.refusal import Conflict, Invalid
from kernel.scope import StoreScope

_COLUMNS = ", ".join(Licence.model_fields)
"""Every column of the table that the model has, by the same names."""

NUMBERS_MAX = 100


def _licence(row: Record | None) -> Licence | None:
    return Licence.model_validate(dict(row)) if row else None


async def of_store(db: Reader, scope: StoreScope, paging: Paging) -> Page[Licence]:
    """The newest first."""
    conditions = "store_id = $1 and ($2::text is null or status = $2)"
    return await _page(db, conditions, [scope.store_id, paging.status], paging, newest_first=True)


async def queue(db: Reader, paging: Paging) -> Page[Licence]:
    """Of all stores, the oldest first."""
    return await _page(db, "status = $1", [paging.status], paging, newest_first=False)


async def _page(db: Reader, conditions: str, args: list[Any], paging: Paging, *, newest_first: bool) -> Page[Licence]:
    """A cursor fits only the list and the filter it came from."""
    bound = binding("licences", {"conditions": conditions, "args": args})
    total = await db.fetchval(f"select count(*) from licenses where {conditions}", *args) if paging.with_total else None
    beyond, direction = ("<", "desc") if newest_first else (">", "asc")
    place = len(args)
    if paging.cursor:
        args = [*args, *_position(paging.cursor, bound)]
        conditions += f" and (created_at, id) {beyond} (${place + 1}, ${place + 2})"
    rows = await db.fetch(
        f"select {_COLUMNS} from licenses where {conditions}"
        f" order by created_at {direction}, id {direction} limit {paging.limit + 1}",
        *args,
    )
    found = [Licence.model_validate(dict(row)) for row in rows]
    page = cut(found, paging.limit, lambda last: encode_cursor(bound, [last.created_at.isoformat(), str(last.id)]))
    return Page(page.rows, page.next, total)


def _position(cursor: str, bound: str) -> tuple[datetime, UUID]:
    created_at, licence_id = decode_cursor(cursor, bound, 2)
    try:
        return datetime.fromisoformat(created_at), UUID(licence_id)
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise Invalid.field("cursor") from error


async def numbers(db: Reader, store_id: UUID) -> list[dict[str, str]]:
    """Number and type of the store's licences, the oldest first."""
    rows = await db.fetch(
        "select number, type from licenses where store_id = $1 order by created_at, id limit $2", store_id, NUMBERS_MAX
    )
    return [dict(row) for row in rows]


async def statuses(db: Reader, store_id: UUID) -> set[str]:
    rows = await db.fetch("select distinct status from licenses where store_id = $1", store_id)
    return {row["status"] for row in rows}


async def store_of(db: Reader, licence_id: UUID) -> UUID | None:
    store_id: UUID | None = await db.fetchval("select store_id from licenses where id = $1", licence_id)
    return store_id


async def add(tx: Tx, scope: StoreScope, user_id: UUID, new: NewLicence, scan: Medium) -> Licence:
    """Raises Conflict.duplicate("number") when that state's number is taken."""
    row = await tx.fetchrow(
        f"""
        insert into licenses (id, store_id, user_id, status, media_id, attachment_id, gcs_key, issuing_state,
                              issue_date, expiration_date, type, number, number_key)
        values ($1, $2, $3, 'pending', $4, $5, $6, $7, $8, $9, $10, $11, $12)
        on conflict (issuing_state, number_key) do nothing
        returning {_COLUMNS}
        """,
        new_id(), scope.store_id, user_id, scan.media_id, new_id(), scan.gcs_key, new.issuing_state,
        new.issue_date, new.expiration_date, new.type, new.number, licence_key(new.number),
    )  # fmt: skip
    licence = _licence(row)
    if licence is None:
        raise Conflict.duplicate("number")
    return licence


async def locked(tx: Tx, licence_id: UUID) -> Licence | None:
    """The licence under its lock, which is taken after its store's."""
    return _licence(await tx.fetchrow(f"select {_COLUMNS} from licenses where id = $1 for update", licence_id))


async def own_locked(tx: Tx, scope: StoreScope, licence_id: UUID) -> Licence | None:
    row = await tx.fetchrow(
        f"select {_COLUMNS} from licenses where id = $1 and store_id = $2 for update", licence_id, scope.store_id
    )
    return _licence(row)


async def review(tx: Tx, licence_id: UUID, status: LicenseStatus, reason: str | None, reviewer: UUID) -> Licence:
    """The lock is held."""
    row = await tx.fetchrow(
        f"""
        update licenses set status = $2, reject_reason = $3, reviewed_by_user_id = $4, reviewed_at = clock_now(),
                            updated_at = clock_now()
        where id = $1 returning {_COLUMNS}
        """,
        licence_id,
        status,
        reason,
        reviewer,
    )
    return Licence.model_validate(dict(row or {}))


async def warn(tx: Tx, licence_id: UUID) -> None:
    """The lock is held."""
    await tx.run("update licenses set warned_at = clock_now(), updated_at = clock_now() where id = $1", licence_id)


async def expire(tx: Tx, licence_id: UUID) -> Licence:
    """The lock is held."""
    row = await tx.fetchrow(
        f"""
        update licenses set status = 'expired', expired_at = clock_now(), updated_at = clock_now()
        where id = $1 returning {_COLUMNS}
        """,
        licence_id,
    )
    return Licence.model_validate(dict(row or {}))


async def remove(tx: Tx, licence_id: UUID) -> None:
    """The lock is held."""
    await tx.run("delete from licenses where id = $1", licence_id)


async def due(db: Reader, today: date, after: UUID | None, limit: int) -> list[Licence]:
    """Verified ones that are past their last day, or whose store has not been told that it is near; in id order."""
    rows = await db.fetch(
        f"""
        select {_COLUMNS} from licenses
        where status = 'verified' and expiration_date <= $1 and (expiration_date < $2 or warned_at is null)
          and ($3::uuid is null or id > $3)
        order by id limit $4
        """,
        today + WARNED_BEFORE,
        today,
        after,
        limit,
    )
    return [Licence.model_validate(dict(row)) for row in rows]


async def outlived(db: Reader, now: datetime, after: UUID | None, limit: int) -> list[Licence]:
    """Whose days after expiry are over, in id order."""
    rows = await db.fetch(
        f"""
        select {_COLUMNS} from licenses
        where status = 'expired' and expired_at <= $1 and ($2::uuid is null or id > $2)
        order by id limit $3
        """,
        now - KEPT_AFTER_EXPIRY,
        after,
        limit,
    )
    return [Licence.model_validate(dict(row)) for row in rows]


async def references(db: Reader, media_id: UUID) -> list[MediaReference]:
    """Which licences hold this scan."""
    rows = await db.fetch("select attachment_id, id from licenses where media_id = $1 order by id", media_id)
    return [
        MediaReference(attachment_id=row["attachment_id"], entity_type="license", entity_id=row["id"]) for row in rows
    ]
