"""Saying what became of products, and which media they hold."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from catalog.domain.media import Medium
from chassis.db import Tx
from chassis.ids import new_id
from contracts.catalog import CatalogMediaAttached, CatalogMediaDetached, ProductChanged
from contracts.media import EntityType

PICTURE: EntityType = "product_gallery"
CERTIFICATE: EntityType = "product_coa"


def announce(tx: Tx, facts: Iterable[Mapping[str, Any]]) -> None:
    """Emit `product_changed` for each row of facts (`catalog.repo.products.FACTS` and `in_stock`)."""
    for row in facts:
        tx.emit(ProductChanged.model_validate(dict(row)))


def say_attached(tx: Tx, use: EntityType, product_id: UUID, medium: Medium) -> UUID:
    """Emit `media_attached`; the id of the attachment, a fresh one for each use."""
    attachment_id = new_id()
    tx.emit(
        CatalogMediaAttached(
            attachment_id=attachment_id,
            media_id=medium.media_id,
            entity_type=use,
            entity_id=product_id,
            store_id=medium.store_id,
            gcs_key=medium.gcs_key,
            attached_at=tx.now,
        )
    )
    return attachment_id


def say_detached(
    tx: Tx, use: EntityType, *, attachment_id: UUID, media_id: UUID, product_id: UUID, store_id: UUID
) -> None:
    """Emit `media_detached`. The medium itself stays its store's: nothing is purged."""
    tx.emit(
        CatalogMediaDetached(
            attachment_id=attachment_id,
            media_id=media_id,
            entity_type=use,
            entity_id=product_id,
            store_id=store_id,
            detached_at=tx.now,
        )
    )
