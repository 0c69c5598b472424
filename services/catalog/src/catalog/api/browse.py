"""The marketplace as a buyer sees it."""

from uuid import UUID

from catalog import flows
from catalog.api.schemas import MarketQuery, Product, ProductSummary
from catalog.clients.identity import IdentityClient
from catalog.clients.media import MediaClient
from chassis.web import Answer, Caller, Router, member, page_of, reply_json, reply_json_page

router = Router(prefix="/api/v1/products", tags=["products"])


@router.get("", allow=member(), answers=page_of("products", ProductSummary), reasons=("state_mismatch",))
async def browse_products(call: Caller, query: MarketQuery) -> Answer:
    page = await flows.browse(
        flows.Standings(call.db, call.client(IdentityClient), call),
        call.scope,
        state=query.state,
        sort=query.sort,
        filters=query.filters(),
        paging=query.paging(),
    )
    return reply_json_page("products", page)


@router.get("/{product_id}", allow=member(), answers=Product)
async def read_product(call: Caller, product_id: UUID) -> Answer:
    ask = flows.Standings(call.db, call.client(IdentityClient), call)
    found = await flows.product(ask, call.scope, product_id)
    return reply_json(await flows.readable(call.client(MediaClient), found, call))
