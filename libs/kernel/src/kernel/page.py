"""Keyset pages: opaque cursors bound to the list they came from (spec 1.4)."""

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from kernel.refusal import Invalid

LIMIT_DEFAULT = 25
LIMIT_MAX = 100

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Rows of one page; `next` is the cursor of the following page, or None when this is the last."""

    rows: Sequence[Row]
    next: str | None
    total: int | None = None


def binding(name: str, filters: Mapping[str, Any]) -> str:
    """A short digest that ties a cursor to a list, its sort and its filters."""
    canonical = json.dumps([name, sorted((key, str(value)) for key, value in filters.items() if value is not None)])
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def encode_cursor(bound_to: str, values: Sequence[str | int | None]) -> str:
    """The opaque cursor for the LAST row returned; `values` are its sort values and id."""
    raw = json.dumps([bound_to, *values], separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode_cursor(cursor: str, bound_to: str, length: int) -> list[Any]:
    """The sort values in a cursor. Raises `Invalid` (field `cursor`) when it is malformed or of another list."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        values = json.loads(raw)
    except (ValueError, binascii.Error) as error:
        raise Invalid.field("cursor") from error
    if not isinstance(values, list) or len(values) != length + 1 or values[0] != bound_to:
        raise Invalid.field("cursor")
    return values[1:]


def cut(rows: Sequence[Row], limit: int, cursor_of: Callable[[Row], str]) -> Page[Row]:
    """A page from `limit + 1` fetched rows: the surplus row only tells that more follow."""
    if len(rows) <= limit:
        return Page(rows, None)
    kept = rows[:limit]
    return Page(kept, cursor_of(kept[-1]))
