"""Load, decide, apply, emit."""

from typing import Any

from chassis.db import Tx
from chassis.ids import new_id
from contracts.newservice import EntryAdded
from kernel.scope import StoreScope
from newservice.domain import title_key
from newservice.repo.entries import ADD


async def add_entry(tx: Tx, scope: StoreScope, title: str) -> dict[str, Any]:
    """The new entry. Raises `Conflict` (duplicate) when the store has one of that title."""
    row = await tx.fetchrow(ADD, new_id(), scope.store_id, title, title_key(title))
    assert row is not None  # noqa: S101  an insert answers its row
    tx.emit(EntryAdded(entry_id=row["id"], store_id=scope.store_id, title=title, added_at=row["created_at"]))
    tx.audit("entry.add", "entry", row["id"])
    return dict(row)
