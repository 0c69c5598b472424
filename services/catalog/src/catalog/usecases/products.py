"""A vendor's products: create, change, take out of sale for good (spec 4.2)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from catalog.domain.goods import (
    require_distinct,
    require_known_media,
    require_max_qty_fits_moq,
    require_pictures_for_active,
    sanitised,
)
from catalog.repo.products import (
    DELETE,
    DELETE_TIERS,
    INSERT_STOCK,
    INSERT_TIERS,
    LOCK,
    MARKET_OF,
    READ_FACTS,
    change,
    insertion,
    tier_columns,
)
from catalog.usecases.announcing import announce
from chassis.db import Record, Tx
from chassis.ids import new_id
from kernel.refusal import Invalid, NotFound
from kernel.scope import StoreScope

Tiers = Sequence[tuple[int, Decimal]]
LISTS = ("feelings", "flavors", "usage")


@dataclass(frozen=True, slots=True)
class NewProduct:
    """A product as a vendor describes it; `fields` are the columns of spec 4.1 that a client may set."""

    fields: Mapping[str, Any]
    media_ids: Sequence[UUID]
    available_qty: int
    low_stock_threshold: int
    volume_discounts: Tiers = ()


async def create_product(tx: Tx, scope: StoreScope, new: NewProduct, *, pictures_required: bool) -> UUID:
    """The id of the new product. A sku of another live product of the store is a duplicate."""
    fields = _checked(new.fields)
    _check_media(new, pictures_required=pictures_required)
    require_max_qty_fits_moq(fields["moq"], fields["max_qty"])
    product_id = new_id()
    market = await tx.fetchval(MARKET_OF, scope.store_id)
    await tx.run(insertion({"id": product_id, "store_id": scope.store_id, "visible_in": market, **fields}))
    await tx.run(INSERT_STOCK, product_id, new.available_qty, new.low_stock_threshold, tx.actor.user_id)
    await _add_tiers(tx, scope, product_id, new.volume_discounts)
    announce(tx, await tx.fetch(READ_FACTS, product_id))
    tx.audit("product.create", "product", product_id, {"sku": fields["sku"], "available_qty": new.available_qty})
    return product_id


def _check_media(new: NewProduct, *, pictures_required: bool) -> None:
    require_distinct("media_ids", new.media_ids)
    require_known_media("media_ids", new.media_ids)
    require_known_media("coa_media_id", [new.fields.get("coa_media_id")])
    if pictures_required and not new.media_ids:
        raise Invalid.field("media_ids", "must be at least 1")


async def change_product(
    tx: Tx,
    scope: StoreScope,
    product_id: UUID,
    changes: Mapping[str, Any],
    *,
    tiers: Tiers | None,
    pictures_required: bool,
) -> None:
    """Set the named fields; `tiers` replace the ones there, None leaves them."""
    before = await _locked(tx, scope, product_id)
    fields = _checked(changes)
    require_known_media("coa_media_id", [fields.get("coa_media_id")])
    after = {**dict(before), **fields}
    require_max_qty_fits_moq(after["moq"], after["max_qty"])
    if fields.get("is_active"):
        require_pictures_for_active(is_active=True, pictures=0, pictures_required=pictures_required)
    await tx.run(change(product_id, fields))
    if tiers is not None:
        await tx.run(DELETE_TIERS, product_id)
        await _add_tiers(tx, scope, product_id, tiers)
    announce(tx, await tx.fetch(READ_FACTS, product_id))
    tx.audit("product.update", "product", product_id, _difference(before, fields, tiers))


async def delete_product(tx: Tx, scope: StoreScope, product_id: UUID) -> None:
    """Hide the product at once and for good. Its row stays for history, and open reservations run on."""
    before = await _locked(tx, scope, product_id)
    announce(tx, await tx.fetch(DELETE, product_id))
    tx.audit("product.delete", "product", product_id, {"sku": before["sku"], "title": before["title"]})


async def _locked(tx: Tx, scope: StoreScope, product_id: UUID) -> Record:
    row = await tx.fetchrow(LOCK, product_id, scope.store_id)
    if row is None:
        raise NotFound
    return row


def _checked(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields as they are stored: markup sanitised, no value named twice in a list."""
    for name in LISTS:
        require_distinct(name, fields.get(name, ()))
    stored = dict(fields)
    if stored.get("body_html"):
        stored["body_html"] = sanitised(stored["body_html"])
    return stored


async def _add_tiers(tx: Tx, scope: StoreScope, product_id: UUID, tiers: Tiers) -> None:
    require_distinct("volume_discounts", [min_qty for min_qty, _ in tiers])
    if tiers:
        await tx.run(INSERT_TIERS, scope.store_id, product_id, *tier_columns(tiers))


def _difference(before: Record, fields: Mapping[str, Any], tiers: Tiers | None) -> dict[str, Any]:
    """What the audit row tells: old and new of every field that changed."""
    old = {name: before[name] for name, value in fields.items() if before[name] != value}
    told: dict[str, Any] = {"old": old, "new": {name: fields[name] for name in old}}
    if tiers is not None:
        told["old"]["volume_discounts"] = before["volume_discounts"]
        told["new"]["volume_discounts"] = [{"min_qty": low, "discount_percent": off} for low, off in tiers]
    return told
