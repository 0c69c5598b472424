"""Reads: a store's files, what can be read, and what jobs have to look at."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from chassis.db import Reader, Record
from contracts.media import MediaChanged
from kernel.page import Page, binding, cut, decode_cursor, encode_cursor
from kernel.refusal import Invalid, NotFound
from kernel.scope import StoreScope
from kernel.text import like_pattern
from media.domain.media import Kind, Mime, Status
from media.repo import media as repo


async def files(
    db: Reader,
    scope: StoreScope,
    *,
    kind: Kind | None,
    status: Status | None,
    mime_type: Mime | None,
    search: str | None,
    limit: int,
    cursor: str | None,
    with_total: bool,
) -> Page[Record]:
    """A store's files, newest first; deleted ones only where they are asked for by that status."""
    asked = {"kind": kind, "status": status, "mime_type": mime_type, "search": search}
    bound = binding("media", {"store": scope.store_id, **asked})
    filters = (scope.store_id, kind, status, mime_type, like_pattern(search) if search else None)
    before = _position(cursor, bound) if cursor else (None, None)
    rows = await db.fetch(repo.NEWEST, *filters, *before, limit + 1)
    page = cut(rows, limit, lambda row: encode_cursor(bound, [row["created_at"].isoformat(), str(row["id"])]))
    total = await db.fetchval(repo.COUNT, *filters) if with_total else None
    return Page(page.rows, page.next, total)


async def media_snapshots(
    db: Reader, *, only: UUID | None = None, after: UUID | None = None, limit: int = 200
) -> list[MediaChanged]:
    """Every medium as `media_changed` tells it, deleted ones as tombstones, in id order."""
    return [MediaChanged(**dict(row)) for row in await db.fetch(repo.SNAPSHOTS, only, after, limit)]


async def media_snapshot(db: Reader, media_id: UUID) -> MediaChanged:
    """One medium as it is now. Raises `NotFound`."""
    found = await media_snapshots(db, only=media_id, limit=1)
    if not found:
        raise NotFound
    return found[0]


async def readable(db: Reader, media_ids: Sequence[UUID]) -> list[Record]:
    """Those of them that have something to read, with what a link needs."""
    return await db.fetch(repo.READABLE, list(media_ids))


async def medium_of_key(db: Reader, key: str) -> Record | None:
    return await db.fetchrow(repo.BY_KEY, key)


async def due_for_deletion(db: Reader, after: Record | None, limit: int) -> list[Record]:
    """Those whose grace is over, the longest first, behind the row `after`."""
    place = (after["delete_requested_at"], after["id"]) if after else (None, None)
    return await db.fetch(repo.DUE_FOR_DELETION, *place, limit)


async def delete_failed(db: Reader, after: Record | None, limit: int) -> list[Record]:
    return await db.fetch(repo.DELETE_FAILED, after["id"] if after else None, limit)


async def stale_uploads(db: Reader, after: Record | None, limit: int) -> list[Record]:
    """Announced seven days ago and never seen."""
    return await db.fetch(repo.STALE, after["id"] if after else None, limit)


async def strays(db: Reader, keys: Sequence[str]) -> set[str]:
    """Those of these keys that belong to no medium with an object."""
    kept = await db.fetch(repo.KEPT_KEYS, list(keys))
    return set(keys) - {row["gcs_key"] for row in kept}


def _position(cursor: str, bound: str) -> tuple[datetime, UUID]:
    at, media_id = decode_cursor(cursor, bound, 2)
    try:
        return datetime.fromisoformat(at), UUID(media_id)
    except (TypeError, ValueError, AttributeError) as error:
        raise Invalid.field("cursor") from error
