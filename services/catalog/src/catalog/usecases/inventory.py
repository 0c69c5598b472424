"""What a vendor says may still be sold (spec 4.3)."""

from typing import Any
from uuid import UUID

from catalog.repo.products import LOCK_PRODUCTS, LOCK_STOCK, RAISE_VERSIONS, SET_STOCK
from catalog.usecases.announcing import announce
from chassis.db import Record, Tx
from kernel.refusal import Conflict, NotFound
from kernel.scope import StoreScope


async def set_stock(
    tx: Tx,
    scope: StoreScope,
    product_id: UUID,
    *,
    available_qty: int,
    low_stock_threshold: int | None,
    expected_version: int | None,
) -> dict[str, Any]:
    """Any value goes; what is promised stays promised. `expected_version` guards against a lost update."""
    before = await tx.fetchrow(LOCK_STOCK, product_id, scope.store_id)
    if before is None:
        raise NotFound
    if expected_version is not None and expected_version != before["version"]:
        raise Conflict("version_mismatch", details={"version": before["version"]})
    threshold = before["low_stock_threshold"] if low_stock_threshold is None else low_stock_threshold
    delta = available_qty - before["available_qty"]
    after = await tx.fetchrow(SET_STOCK, product_id, available_qty, threshold, delta, tx.actor.user_id)
    assert after is not None  # noqa: S101  its row is locked
    if (before["available_qty"] > 0) != (available_qty > 0):
        await tx.fetch(LOCK_PRODUCTS, [product_id], [])
        announce(tx, await tx.fetch(RAISE_VERSIONS, [product_id]))
    tx.audit("inventory.set", "product", product_id, {"old": _told(before), "new": _told(after)})
    return dict(after)


def _told(row: Record) -> dict[str, int]:
    return {name: row[name] for name in ("available_qty", "low_stock_threshold", "version")}
