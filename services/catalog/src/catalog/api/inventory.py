"""A vendor's stock."""

from uuid import UUID

from catalog.api.schemas import InventoryQuery, InventorySet, Movement, MovementQuery, Stock, StockedProduct
from catalog.queries import vendor as queries
from catalog.usecases.inventory import set_stock
from chassis.web import OMP, Answer, Caller, Router, page_of, reply_json_page, required, vendor

router = Router(prefix="/api/v1/inventory", tags=["inventory"])


@router.put("/{product_id}", allow=vendor(OMP), key=required(), answers=Stock, reasons=("version_mismatch",))
async def set_inventory(call: Caller, product_id: UUID, body: InventorySet) -> Answer:
    async with call.transaction() as tx:
        stock = await set_stock(
            tx,
            call.scope,
            product_id,
            available_qty=body.available_qty,
            low_stock_threshold=body.low_stock_threshold,
            expected_version=body.expected_version,
        )
        return tx.answer(stock)


@router.get("", allow=vendor(), answers=page_of("items", StockedProduct))
async def list_inventory(call: Caller, query: InventoryQuery) -> Answer:
    async with call.reader() as db:
        page = await queries.inventory(db, call.scope, low_stock=query.low_stock, paging=query.paging())
    return reply_json_page("items", page)


@router.get("/{product_id}/movements", allow=vendor(), answers=page_of("items", Movement))
async def list_movements(call: Caller, product_id: UUID, query: MovementQuery) -> Answer:
    async with call.reader() as db:
        page = await queries.movements(db, call.scope, product_id, query.paging())
    return reply_json_page("items", page)
