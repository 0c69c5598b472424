"""A vendor's own products."""

from uuid import UUID

from catalog.api.schemas import Product, ProductChange, ProductCreate, ProductQuery, ProductSummary, TierBody
from catalog.queries import vendor as queries
from catalog.usecases.products import NewProduct, Tiers, change_product, create_product, delete_product
from chassis.web import OMP, Answer, Caller, Router, no_content, page_of, reply_json, reply_json_page, vendor

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
    async with call.transaction() as tx:
        product_id = await create_product(tx, call.scope, new, pictures_required=call.settings.pictures_required)
        return tx.answer_with(reply_json(await queries.product(tx, call.scope, product_id)))


@router.patch("/{product_id}", allow=vendor(OMP), answers=Product, reasons=("duplicate", "picture_missing"))
async def change_vendor_product(call: Caller, product_id: UUID, body: ProductChange) -> Answer:
    tiers = _tiers(body.volume_discounts) if "volume_discounts" in body.model_fields_set else None
    async with call.transaction() as tx:
        await change_product(
            tx,
            call.scope,
            product_id,
            body.model_dump(include=body.model_fields_set - APART),
            tiers=tiers,
            pictures_required=call.settings.pictures_required,
        )
        return tx.answer_with(reply_json(await queries.product(tx, call.scope, product_id)))


@router.delete("/{product_id}", allow=vendor(OMP), status=204)
async def delete_vendor_product(call: Caller, product_id: UUID) -> Answer:
    async with call.transaction() as tx:
        await delete_product(tx, call.scope, product_id)
    return no_content()


@router.get("", allow=vendor(), answers=page_of("products", ProductSummary))
async def list_vendor_products(call: Caller, query: ProductQuery) -> Answer:
    async with call.reader() as db:
        page = await queries.products(db, call.scope, sort=query.sort, filters=query.filters(), paging=query.paging())
    return reply_json_page("products", page)


@router.get("/{product_id}", allow=vendor(), answers=Product)
async def read_vendor_product(call: Caller, product_id: UUID) -> Answer:
    async with call.reader() as db:
        return reply_json(await queries.product(db, call.scope, product_id))


def _tiers(given: list[TierBody]) -> Tiers:
    return [(tier.min_qty, tier.discount_percent) for tier in given]
