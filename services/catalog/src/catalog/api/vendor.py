"""A vendor's own products."""

from uuid import UUID

from catalog import flows
from catalog.api.schemas import (
    PictureAdd,
    Product,
    ProductChange,
    ProductCreate,
    ProductQuery,
    ProductSummary,
    TierBody,
)
from catalog.clients.media import MediaClient
from catalog.domain.media import certificate, pictures
from catalog.queries import vendor as queries
from catalog.usecases.gallery import add_picture, remove_picture
from catalog.usecases.products import NewProduct, Tiers, change_product, create_product, delete_product
from chassis.web import OMP, Answer, Call, Caller, Router, no_content, page_of, reply_json, reply_json_page, vendor

router = Router(prefix="/api/v1/vendor/products", tags=["vendor products"])

APART = {"inventory", "media_ids", "volume_discounts"}
"""Fields of a request that are no columns of the product."""


@router.post("", allow=vendor(OMP), answers=Product, status=201, reasons=("duplicate",))
async def create_vendor_product(call: Caller, body: ProductCreate) -> Answer:
    new = NewProduct(
        fields=body.model_dump(exclude=APART),
        media_ids=body.media_ids,
        available_qty=body.inventory.available_qty,
        low_stock_threshold=body.inventory.low_stock_threshold,
        volume_discounts=_tiers(body.volume_discounts),
    )
    uses = pictures(body.media_ids), certificate(body.coa_media_id)
    await flows.look_before_use(_uploads(call), call.scope, *uses)
    async with call.transaction() as tx:
        product_id = await create_product(tx, call.scope, new)
        return tx.answer_with(reply_json((await queries.product(tx, call.scope, product_id)).text))


@router.patch("/{product_id}", allow=vendor(OMP), answers=Product, reasons=("duplicate", "picture_missing"))
async def change_vendor_product(call: Caller, product_id: UUID, body: ProductChange) -> Answer:
    tiers = _tiers(body.volume_discounts) if "volume_discounts" in body.model_fields_set else None
    await flows.look_before_use(_uploads(call), call.scope, certificate(body.coa_media_id))
    async with call.transaction() as tx:
        changes = body.model_dump(include=body.model_fields_set - APART)
        await change_product(tx, call.scope, product_id, changes, tiers=tiers)
        return tx.answer_with(reply_json((await queries.product(tx, call.scope, product_id)).text))


@router.delete("/{product_id}", allow=vendor(OMP), status=204)
async def delete_vendor_product(call: Caller, product_id: UUID) -> Answer:
    async with call.transaction() as tx:
        await delete_product(tx, call.scope, product_id)
    return no_content()


@router.post("/{product_id}/media", allow=vendor(OMP), answers=Product, status=201)
async def add_product_picture(call: Caller, product_id: UUID, body: PictureAdd) -> Answer:
    await flows.look_before_use(_uploads(call), call.scope, pictures([body.media_id], "media_id"))
    async with call.transaction() as tx:
        await add_picture(tx, call.scope, product_id, body.media_id, position=body.position)
        return tx.answer_with(reply_json((await queries.product(tx, call.scope, product_id)).text))


@router.delete("/{product_id}/media/{media_id}", allow=vendor(OMP), status=204, reasons=("last_picture",))
async def remove_product_picture(call: Caller, product_id: UUID, media_id: UUID) -> Answer:
    async with call.transaction() as tx:
        await remove_picture(tx, call.scope, product_id, media_id)
    return no_content()


@router.get("", allow=vendor(), answers=page_of("products", ProductSummary))
async def list_vendor_products(call: Caller, query: ProductQuery) -> Answer:
    async with call.reader() as db:
        page = await queries.products(db, call.scope, sort=query.sort, filters=query.filters(), paging=query.paging())
    return reply_json_page("products", page)


@router.get("/{product_id}", allow=vendor(), answers=Product)
async def read_vendor_product(call: Caller, product_id: UUID) -> Answer:
    async with call.reader() as db:
        found = await queries.product(db, call.scope, product_id)
    return reply_json(await flows.readable(call.client(MediaClient), found, call))


def _uploads(call: Call) -> flows.Uploads:
    return flows.Uploads(call.db, call.client(MediaClient), call)


def _tiers(given: list[TierBody]) -> Tiers:
    return [(tier.min_qty, tier.discount_percent) for tier in given]
