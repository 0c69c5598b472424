"""A vendor that loses its subscription is hidden from buyers at once (spec 4.5)."""

from markets import Market

from packhouse.eventually import eventually

HIDDEN_WITHIN = 5.0


async def test_subscription_loss_hides_within_5_s(market: Market) -> None:
    vendor, buyer = market.vendors[0], market.buyers[0]
    goods = await market.lists(vendor, "SHOWN", units=5)
    other = await market.lists(market.vendors[1], "OTHER", units=5)

    async def is_found() -> tuple[bool, bool]:
        """By its id, and by a search."""
        detail = await buyer.get(f"/api/v1/products/{goods['id']}")
        return detail.status == 200, goods["id"] in {row["id"] for row in await buyer.browses(q="SHOWN", limit=100)}

    async def is_hidden() -> bool:
        return await is_found() == (False, False)

    async def is_shown() -> bool:
        return await is_found() == (True, True)

    assert await is_shown()
    (await market.admin.grants_standing(str(vendor.store_id), subscribed=False)).expect(200)
    seconds = await eventually(is_hidden, within=HIDDEN_WITHIN)
    cart = (await buyer.fills_cart({market.line("SHOWN"): 1, market.line("OTHER"): 1})).expect(200)
    (await market.admin.grants_standing(str(vendor.store_id), subscribed=True)).expect(200)
    await eventually(is_shown, within=HIDDEN_WITHIN)

    assert {item["product_id"]: item["status"] for item in cart["items"]} == {goods["id"]: "invalid", other["id"]: "ok"}
    print(f"hidden after {seconds:.2f} s")
