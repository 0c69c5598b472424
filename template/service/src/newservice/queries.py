"""Reads for screens."""

from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.db import Reader, Record
from kernel.page import Page, binding, cut, decode_cursor, encode_cursor
from kernel.refusal import Invalid, NotFound
from kernel.scope import StoreScope
from newservice.repo.entries import COUNT, FIND, NEWEST


async def entry(db: Reader, scope: StoreScope, entry_id: UUID) -> dict[str, Any]:
    """Raises `NotFound` for an entry of another store too."""
    row = await db.fetchrow(FIND, entry_id, scope.store_id)
    if row is None:
        raise NotFound
    return dict(row)


async def entries(db: Reader, scope: StoreScope, limit: int, cursor: str | None, *, with_total: bool) -> Page[Record]:
    """A store's entries, newest first."""
    bound = binding("entries", {"store": scope.store_id})
    before = _position(cursor, bound) if cursor else (None, None)
    rows = await db.fetch(NEWEST, scope.store_id, *before, limit + 1)
    page = cut(rows, limit, lambda row: encode_cursor(bound, [row["created_at"].isoformat(), str(row["id"])]))
    total = await db.fetchval(COUNT, scope.store_id) if with_total else None
    return Page(page.rows, page.next, total)


def _position(cursor: str, bound: str) -> tuple[datetime, UUID]:
    at, entry_id = decode_cursor(cursor, bound, 2)
    try:
        return datetime.fromisoformat(at), UUID(entry_id)
    except (TypeError, ValueError, AttributeError) as error:
        raise Invalid.field("cursor") from error
