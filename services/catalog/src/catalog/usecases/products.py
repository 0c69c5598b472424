"""A vendor's products: create, change, take out of sale for good (spec 4.2)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from catalog.domain.goods import require_distinct, require_max_qty_fits_moq, sanitised
from catalog.domain.media import certificate, pictures, require_picture_for_active
from catalog.repo.products import (
    DELETE,
    DELETE_TIERS,
    INSERT_STOCK,
    INSERT_TIERS,
    MARKET_OF,
    READ_FACTS,
    change,
    insertion,
    tier_columns,
)
from catalog.usecases.announcing import announce
from catalog.usecases.gallery import empty_gallery, exchange_certificate, gallery_of, show, usable_media
from catalog.usecases.owning import own_product
from chassis.db import Record, Tx
from chassis.ids import new_id
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


async def create_product(tx: Tx, scope: StoreScope, new: NewProduct) -> UUID:
    """The id of the new product. A sku of another live product of the store is a duplicate."""
    fields = _checked(new.fields)
    require_distinct("media_ids", new.media_ids)
    require_max_qty_fits_moq(fields["moq"], fields["max_qty"])
    product_id = new_id()
    market = await tx.fetchval(MARKET_OF, scope.store_id)
    media = await usable_media(tx, scope, pictures(new.media_ids), certificate(fields["coa_media_id"]))
    without = {"id": product_id, "store_id": scope.store_id, "coa_media_id": None}
    fields |= exchange_certificate(tx, without, fields["coa_media_id"], media)
    await tx.run(insertion({**fields, "id": product_id, "store_id": scope.store_id, "visible_in": market}))
    await show(tx, product_id, [media[media_id] for media_id in new.media_ids])
    await tx.run(INSERT_STOCK, product_id, new.available_qty, new.low_stock_threshold, tx.actor.user_id)
    await _add_tiers(tx, scope, product_id, new.volume_discounts)
    announce(tx, await tx.fetch(READ_FACTS, product_id))
    tx.audit("product.create", "product", product_id, {"sku": fields["sku"], "available_qty": new.available_qty})
    return product_id


async def change_product(
    tx: Tx, scope: StoreScope, product_id: UUID, changes: Mapping[str, Any], *, tiers: Tiers | None
) -> None:
    """Set the named fields; `tiers` replace the ones there, None leaves them."""
    media = await usable_media(tx, scope, certificate(changes.get("coa_media_id")))
    before = await own_product(tx, scope, product_id)
    fields = _checked(changes)
    after = {**dict(before), **fields}
    require_max_qty_fits_moq(after["moq"], after["max_qty"])
    if fields.get("is_active"):
        require_picture_for_active(await gallery_of(tx, product_id))
    exchanged = exchange_certificate(tx, before, after["coa_media_id"], media)
    await tx.run(change(product_id, {**fields, **exchanged}))
    if tiers is not None:
        await tx.run(DELETE_TIERS, product_id)
        await _add_tiers(tx, scope, product_id, tiers)
    announce(tx, await tx.fetch(READ_FACTS, product_id))
    tx.audit("product.update", "product", product_id, _difference(before, fields, tiers))


async def delete_product(tx: Tx, scope: StoreScope, product_id: UUID) -> None:
    """Hide the product at once and for good. Its row stays for history, its media are let go, and open reservations
    run on.
    """
    before = await own_product(tx, scope, product_id)
    await empty_gallery(tx, scope, product_id)
    exchange_certificate(tx, before, None, {})
    announce(tx, await tx.fetch(DELETE, product_id))
    tx.audit("product.delete", "product", product_id, {"sku": before["sku"], "title": before["title"]})


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
