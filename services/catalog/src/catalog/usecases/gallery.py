"""Pictures and certificates of products: what they hold, and what they let go (spec 4.2, 4.5, 12.3)."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from catalog.domain.media import Medium, Use, pictures, place_in, require_another, unusable
from catalog.repo.media import (
    CLOSE_GAPS,
    DROP_CERTIFICATES,
    DROP_PICTURES,
    GUARD,
    HIDE,
    KNOWN,
    MAKE_ROOM,
    RENEW_URLS,
    REVIEW,
    SHOW,
    SHOWN,
)
from catalog.repo.products import RAISE_VERSIONS
from catalog.usecases.announcing import CERTIFICATE, PICTURE, announce, say_attached, say_detached
from catalog.usecases.owning import own_product
from chassis.db import Tx
from kernel.refusal import NotFound
from kernel.scope import StoreScope


async def usable_media(tx: Tx, scope: StoreScope, *uses: Use) -> dict[UUID, Medium]:
    """The named media by id; none of them is found deleted before this transaction ends.

    Raises `Invalid` for the first that the store cannot use so. Comes before any lock on products (catalog.repo.media).
    """
    media_ids = [media_id for use in uses for media_id in use.media_ids]
    if not media_ids:
        return {}
    await tx.fetch(GUARD, media_ids)
    known = {row["media_id"]: Medium(**dict(row)) for row in await tx.fetch(KNOWN, media_ids)}
    for refusal in unusable(uses, known, scope.store_id).values():
        raise refusal
    return known


async def gallery_of(tx: Tx, product_id: UUID) -> dict[UUID, UUID]:
    """The attachment of each picture by its medium, in the order they are shown."""
    return {row["media_id"]: row["id"] for row in await tx.fetch(SHOWN, product_id)}


async def show(tx: Tx, product_id: UUID, media: Sequence[Medium], *, at: int = 0) -> None:
    """Put pictures into a product's gallery, from that position on."""
    ids = [say_attached(tx, PICTURE, product_id, medium) for medium in media]
    await tx.run(SHOW, product_id, ids, [medium.media_id for medium in media], at)
    await tx.fetch(REVIEW, [product_id])


async def add_picture(tx: Tx, scope: StoreScope, product_id: UUID, media_id: UUID, *, position: int | None) -> None:
    """Show one more picture, at this position or last."""
    media = await usable_media(tx, scope, pictures([media_id], "media_id"))
    await own_product(tx, scope, product_id)
    before = list(await gallery_of(tx, product_id))
    place = place_in(before, media_id, position)
    await tx.run(MAKE_ROOM, product_id, place)
    await show(tx, product_id, [media[media_id]], at=place)
    await _tell_change(tx, product_id, before)


async def remove_picture(tx: Tx, scope: StoreScope, product_id: UUID, media_id: UUID) -> None:
    """Take a picture out of the gallery; those after it move down. The last one stays."""
    await own_product(tx, scope, product_id)
    shown = await gallery_of(tx, product_id)
    if media_id not in shown:
        raise NotFound
    require_another(list(shown))
    await _hide(tx, scope, product_id, {media_id: shown[media_id]})
    await tx.run(CLOSE_GAPS, [product_id])
    await tx.fetch(REVIEW, [product_id])
    await _tell_change(tx, product_id, list(shown))


async def empty_gallery(tx: Tx, scope: StoreScope, product_id: UUID) -> None:
    """Let go of every picture of a product that is out of sale for good."""
    await _hide(tx, scope, product_id, await gallery_of(tx, product_id))


async def _hide(tx: Tx, scope: StoreScope, product_id: UUID, shown: Mapping[UUID, UUID]) -> None:
    await tx.run(HIDE, product_id, list(shown.values()))
    for media_id, attachment_id in shown.items():
        say_detached(
            tx,
            PICTURE,
            attachment_id=attachment_id,
            media_id=media_id,
            product_id=product_id,
            store_id=scope.store_id,
        )


async def _tell_change(tx: Tx, product_id: UUID, before: Sequence[UUID]) -> None:
    announce(tx, await tx.fetch(RAISE_VERSIONS, [product_id]))
    after = list(await gallery_of(tx, product_id))
    tx.audit("product.gallery", "product", product_id, {"old": {"media_ids": before}, "new": {"media_ids": after}})


def exchange_certificate(
    tx: Tx, product: Mapping[str, Any], media_id: UUID | None, media: Mapping[UUID, Medium]
) -> dict[str, UUID | None]:
    """The columns that name a product's certificate; a changed one is one detach and one attach (spec 12.3)."""
    if media_id == product["coa_media_id"]:
        return {}
    if product["coa_media_id"]:
        say_detached(
            tx,
            CERTIFICATE,
            attachment_id=product["coa_attachment_id"],
            media_id=product["coa_media_id"],
            product_id=product["id"],
            store_id=product["store_id"],
        )
    attachment_id = say_attached(tx, CERTIFICATE, product["id"], media[media_id]) if media_id else None
    return {"coa_media_id": media_id, "coa_attachment_id": attachment_id}


async def drop_what_is_gone(tx: Tx, product_ids: Sequence[UUID]) -> None:
    """Take deleted media out of these locked products, and show the rest as media tells it now.

    A product that loses its last picture is not active any more. Versions are the caller's to raise.
    """
    for row in await tx.fetch(DROP_PICTURES, product_ids):
        say_detached(tx, PICTURE, **dict(row))
        tx.audit("product.gallery", "product", row["product_id"], {"deleted": row["media_id"]})
    for row in await tx.fetch(DROP_CERTIFICATES, product_ids):
        say_detached(tx, CERTIFICATE, **dict(row))
        tx.audit("product.update", "product", row["product_id"], {"old": {"coa_media_id": row["media_id"]}})
    await tx.run(RENEW_URLS, product_ids)
    await tx.run(CLOSE_GAPS, product_ids)
    for row in await tx.fetch(REVIEW, product_ids):
        if row["deactivated"]:
            tx.audit("product.deactivate", "product", row["id"], {"reason": "its last picture was deleted"})
