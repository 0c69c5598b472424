"""Two worlds that share the house and nothing else, each of a buyer and a vendor who have traded with each other."""

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from markets import VISIBLE_WITHIN, Market
from passes import claims_of

from packhouse.actors import OKLAHOMA_CITY, Admin, Buyer, Vendor, product
from packhouse.eventually import eventually
from packhouse.files import PDF, PNG, document, picture

ORDERED = 2


@dataclass
class World:
    """`ids` are by the names that parameters have; `canary` stands in every text that the world has written."""

    buyer: Buyer
    vendor: Vendor
    canary: str
    ids: dict[str, str] = field(default_factory=dict)
    cursors: dict[str, str] = field(default_factory=dict)

    @property
    def address(self) -> dict[str, Any]:
        return {**OKLAHOMA_CITY, "line1": f"{self.canary} Street", "line2": self.canary}


async def settle(market: Market, buyer: Buyer, vendor: Vendor) -> World:
    """Trade between the two, with a canary in every text that they may write; the buyer keeps a filled cart."""
    world = World(buyer, vendor, canary=f"Canary{uuid4().hex}")
    await _uploads(world)
    for member in (buyer, vendor):
        await _profile(member, world)
    guest = f"{world.canary}-guest@example.net"
    invited = await vendor.invites(guest, "staff", first_name=world.canary, last_name=world.canary)
    world.ids["invite_id"] = invited.expect(201)["invite"]["invite_id"]
    goods = [await _lists(world, number) for number in range(ORDERED)]

    async def visible() -> bool:
        return all([(await buyer.get(f"/api/v1/products/{one['id']}")).ok for one in goods])

    await eventually(visible, within=VISIBLE_WITHIN)
    groups = [await _checks_out(world, one) for one in goods]
    await _collect(world, goods[0], groups[0])
    note = {"decision": "accept", "notes": world.canary}
    (await vendor.post(f"/api/v1/vendor/orders/{world.ids['order_id']}/decision", note)).expect(200)
    return world


async def _uploads(world: World) -> None:
    """A medium for every use that the vendor has for one, and two licences of one scan that wait for their review."""
    page, shown = document(world.canary), picture(world.canary)
    kinds = {
        "media_id": ("product", shown, PNG),
        "coa_media_id": ("coa", page, PDF),
        "scan_media_id": ("license_doc", page, PDF),
        "logo_media_id": ("store", shown, PNG),
        "banner_media_id": ("store", shown, PNG),
    }
    for use, (kind, data, mime_type) in kinds.items():
        world.ids[use] = await world.vendor.uploads(kind, data, mime_type, file_name=f"{world.canary}-{use}")
    for number in range(2):
        applied = await world.vendor.adds_licence(world.ids["scan_media_id"], f"{world.canary}-{number}")
        world.ids["license_id"] = applied.expect(201)["id"]


async def _profile(member: Buyer | Vendor, world: World) -> None:
    canary = world.canary
    link = f"https://example.net/{canary}"
    texts = {
        "company_name": f"{canary} {member.store_type}",
        "dba_name": f"{canary} {member.store_type}",
        "description": canary,
        "phone": canary[:32],
        "email": f"{canary}-{member.store_type}@example.net",
        "social": {"website": link, "instagram": link},
        "categories": [canary],
    }
    if member is world.vendor:
        texts |= {name: world.ids[name] for name in ("logo_media_id", "banner_media_id")}
    (await member.put("/api/v1/stores/me", texts)).expect(200)


async def _lists(world: World, number: int) -> dict[str, Any]:
    canary = world.canary
    texts = dict.fromkeys(("subtitle", "body_html", "strain", "batch_id", "metric_tag", "barcode"), canary)
    goods = product(
        f"{canary}-{number}",
        f"{canary} {number}",
        packaging_type=canary,
        media_ids=[world.ids["media_id"]],
        coa_media_id=world.ids["coa_media_id"],
        volume_discounts=[{"min_qty": 10, "discount_percent": "5"}],
        **texts,
    )
    listed: dict[str, Any] = (await world.vendor.lists(goods)).expect(201)
    return listed


async def _checks_out(world: World, goods: dict[str, Any]) -> dict[str, Any]:
    """An order of these goods, and the cart filled with them once more."""
    line = (goods["id"], goods["vendor_store_id"])
    cart = (await world.buyer.fills_cart({line: 1})).expect(200)
    body = {
        "cart_id": cart["id"],
        "shipping_address": world.address,
        "billing_address": world.address,
        "payment_method": "cash",
    }
    group: dict[str, Any] = (await world.buyer.post("/api/v1/checkout", body)).expect(201)
    (await world.buyer.fills_cart({line: 1})).expect(200)
    return group


async def _collect(world: World, goods: dict[str, Any], group: dict[str, Any]) -> None:
    """Every id the world has, under the name that a parameter has for it."""
    cart = (await world.buyer.get("/api/v1/cart")).expect(200)
    order = group["vendor_orders"][0]
    detail = (await world.buyer.get(f"/api/v1/orders/{order['order_id']}")).expect(200)
    for member in (world.buyer, world.vendor):
        claims = claims_of(str(member.token))
        world.ids |= {
            f"{member.store_type}_store_id": str(member.store_id),
            f"{member.store_type}_user_id": claims["sub"],
            f"{member.store_type}_sid": claims["sid"],
        }
    world.ids |= {
        "store_id": world.ids["vendor_store_id"],
        "sid": world.ids["buyer_sid"],
        "user_id": world.ids["vendor_user_id"],
        "product_id": goods["id"],
        "tier_id": goods["volume_discounts"][0]["id"],
        "cart_id": cart["id"],
        "cart_item_id": cart["items"][0]["id"],
        "group_or_cart_id": group["checkout_group_id"],
        "order_id": order["order_id"],
        "line_item_id": order["items"][0]["line_item_id"],
        "payment_intent_id": (detail["payment_intent"] or {"id": str(uuid4())})["id"],
    }


async def collect_cursors(world: World, admin: Admin) -> None:
    """One of every list, which stands at a row of this world; nobody else may list products meanwhile.

    The admins' queue is of all stores, so any place of it will do.
    """
    movements = f"/api/v1/inventory/{world.ids['product_id']}/movements"
    lists = {
        "GET /api/v1/orders": (world.buyer, "/api/v1/orders"),
        "GET /api/v1/vendor/products": (world.vendor, "/api/v1/vendor/products"),
        "GET /api/v1/inventory": (world.vendor, "/api/v1/inventory"),
        "GET /api/v1/inventory/{product_id}/movements": (world.vendor, movements),
        "GET /api/v1/media": (world.vendor, "/api/v1/media"),
        "GET /api/v1/licenses": (world.vendor, "/api/v1/licenses"),
        "GET /api/v1/admin/licenses": (admin, "/api/v1/admin/licenses"),
    }
    for name, (member, path) in lists.items():
        world.cursors[name] = (await member.get(path, limit=1)).expect(200)["pagination"]["next"]
    on_the_market = [one["vendor_store_id"] for one in await world.buyer.browses(limit=100)]
    place = 1 + on_the_market.index(str(world.vendor.store_id))
    page = (await world.buyer.get("/api/v1/products", state="OK", limit=place)).expect(200)
    world.cursors["GET /api/v1/products"] = page["pagination"]["next"]
