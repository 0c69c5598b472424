"""Filling, reading and clearing a cart (spec 5.4, 12.5)."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from chassis import failpoints
from contracts.orders import CheckoutAborted
from kernel.scope import Kyc, Role, StoreType
from orders.api.schemas import Cart


async def test_a_cart_is_answered_as_it_is_read(market: Any, buyer: Any) -> None:
    flower = market.product(market.vendor("Green"), tiers={50: Decimal(5), 100: Decimal(10)})
    filled = await buyer.wants((flower, 60))
    read = await buyer.caller.get("/api/v1/cart")
    assert read.json()["data"] == filled
    cart = Cart.model_validate(filled)
    assert (cart.subtotal_cents, cart.discounts_cents, cart.total_cents) == (90_000, 4_500, 85_500)
    item = cart.items[0]
    assert (item.line_subtotal_cents, item.line_discounts_cents, item.line_total_cents) == (90_000, 4_500, 85_500)
    assert (item.vendor_store_name, item.effective_unit_price_cents) == ("Green", 1425)
    assert item.applied_volume_discount is not None
    assert item.applied_volume_discount.amount_cents == 4_500
    assert cart.vendor_groups[0].total_cents == 85_500
    assert timedelta(minutes=14) < cart.valid_until - cart.updated_at <= timedelta(minutes=15)


async def test_one_bad_item_or_vendor_never_fails_the_others(market: Any, buyer: Any) -> None:
    good, hidden = market.vendor(), market.vendor()
    hidden.hidden = True
    fine, scarce, gone = market.product(good), market.product(good, available=1), market.product(hidden)
    cart = await buyer.wants((fine, 2), (scarce, 2), (gone, 1))
    assert [item["status"] for item in cart["items"]] == ["ok", "not_available", "invalid"]
    assert [group["status"] for group in cart["vendor_groups"]] == ["ok", "invalid"]
    assert cart["total_cents"] == 3_000


async def test_an_upsert_replaces_the_items_of_the_one_active_cart(market: Any, buyer: Any) -> None:
    first, second = market.product(market.vendor()), market.product(market.vendor(), moq=10, max_qty=20)
    before = await buyer.wants((first, 1))
    after = await buyer.wants((second, 50))
    assert after["id"] == before["id"]
    assert [item["product_id"] for item in after["items"]] == [str(second.id)]
    assert after["items"][0]["quantity"] == 20
    assert [warning["type"] for warning in after["items"][0]["warnings"]] == ["clamped_to_max"]


async def test_a_price_that_changed_since_the_last_quote_is_told(market: Any, buyer: Any) -> None:
    flower = market.product(market.vendor())
    await buyer.wants((flower, 1))
    flower.price_cents = 1600
    changed = await buyer.wants((flower, 1))
    again = await buyer.wants((flower, 1))
    assert [warning["type"] for warning in changed["items"][0]["warnings"]] == ["price_changed"]
    assert again["items"][0]["warnings"] == []


async def test_codes_and_advertising_tokens_change_nothing(market: Any, buyer: Any) -> None:
    flower = market.product(market.vendor())
    wanted = {flower.id: (flower.vendor.id, 1)}
    promos = [{"vendor_store_id": str(flower.vendor.id), "code": "SPRING"}]
    answer = await buyer.fills_cart(wanted, vendor_promos=promos, ad_tokens=["x"] * 50)
    cart = answer.json()["data"]
    assert (cart["total_cents"], cart["ad_tokens"]) == (1500, [])
    assert [warning["type"] for warning in cart["vendor_groups"][0]["warnings"]] == ["invalid_promo"]
    assert (await buyer.fills_cart(wanted, ad_tokens=["x"] * 51)).status_code == 400


async def test_what_a_cart_refuses(market: Any, buyer: Any) -> None:
    flower = market.product(market.vendor())
    path, wanted = "/api/v1/cart", {flower.id: (flower.vendor.id, 1)}
    item = {"product_id": str(flower.id), "vendor_store_id": str(flower.vendor.id), "quantity": 1}
    keyless = await buyer.caller.post(path, {"items": [item]})
    twice = await buyer.caller.post(path, {"items": [item, item]}, key="a")
    none = await buyer.caller.post(path, {"items": [{**item, "quantity": 0}]}, key="b")
    unknown = await buyer.fills_cart({uuid4(): (flower.vendor.id, 1)})
    other = await buyer.fills_cart(wanted, buyer_store_id=str(uuid4()))
    assert [answer.status_code for answer in (keyless, twice, none, unknown, other)] == [400, 400, 400, 404, 403]
    assert none.json()["error"]["details"] == {"items.0.quantity": "must be at least 1"}
    assert (await buyer.caller.get(path)).status_code == 404


@pytest.mark.parametrize(("kyc", "reason"), [(Kyc.SUSPENDED, "store_suspended"), (Kyc.EXPIRED, "not_verified")])
async def test_only_a_verified_store_may_quote(market: Any, kyc: Kyc, reason: str) -> None:
    flower = market.product(market.vendor())
    answer = await market.member(kyc_status=kyc).fills_cart({flower.id: (flower.vendor.id, 1)})
    assert (answer.status_code, answer.json()["error"]["reason"]) == (403, reason)


async def test_vendor_cannot_buy_own_product(market: Any) -> None:
    grower = market.vendor()
    flower = market.product(grower)
    seller = market.member(store_id=grower.id, store_type=StoreType.VENDOR)
    cart = await seller.wants((flower, 1))
    assert cart["items"][0]["status"] == "invalid"
    assert [warning["type"] for warning in cart["items"][0]["warnings"]] == ["vendor_invalid"]
    assert (await seller.checks_out(cart["id"])).json()["error"]["reason"] == "nothing_reservable"


async def test_a_cart_without_catalog_is_503_and_stays_as_it_was(market: Any, buyer: Any) -> None:
    flower = market.product(market.vendor())
    before = await buyer.wants((flower, 1))
    market.catalog.away = True
    answer = await buyer.fills_cart({flower.id: (flower.vendor.id, 9)})
    assert (answer.status_code, answer.json()["error"]["details"]) == (503, {"service": "catalog"})
    assert (await buyer.caller.get("/api/v1/cart")).json()["data"] == before


async def test_post_and_put_do_the_same(market: Any, buyer: Any) -> None:
    flower = market.product(market.vendor())
    item = {"product_id": str(flower.id), "vendor_store_id": str(flower.vendor.id), "quantity": 3}
    answer = await buyer.caller.put("/api/v1/cart", {"items": [item]}, key="one")
    assert answer.status_code == 200
    replay = await buyer.caller.put("/api/v1/cart", {"items": [item]}, key="one")
    assert (replay.json(), replay.headers["idempotency-replayed"]) == (answer.json(), "true")


async def test_a_cleared_cart_is_gone(market: Any, buyer: Any) -> None:
    await buyer.wants((market.product(market.vendor()), 1))
    assert (await buyer.caller.delete("/api/v1/cart")).status_code == 204
    assert (await buyer.caller.get("/api/v1/cart")).status_code == 404
    assert (await buyer.caller.delete("/api/v1/cart")).status_code == 404


async def test_a_cart_in_checkout_cannot_change_until_its_attempt_lapses(market: Any, buyer: Any) -> None:
    flower = market.product(market.vendor())
    cart = await buyer.wants((flower, 1))
    failpoints.arm("orders.attempt.after_commit=error@1")
    assert (await buyer.checks_out(cart["id"])).status_code == 500
    wanted = {flower.id: (flower.vendor.id, 2)}
    busy = await buyer.fills_cart(wanted)
    assert (busy.status_code, busy.json()["error"]["reason"]) == (409, "attempt_in_progress")
    assert int(busy.headers["retry-after"]) > 0
    assert (await buyer.caller.delete("/api/v1/cart")).status_code == 409
    market.world.clock.turn(timedelta(seconds=21))
    assert (await buyer.fills_cart(wanted)).status_code == 200
    assert await market.attempts() == ["aborted"]
    assert len(await market.world.emitted(CheckoutAborted)) == 1


@pytest.mark.parametrize(("role", "status"), [(Role.OPS, 200), (Role.STAFF, 403), (Role.VIEWER, 403)])
async def test_who_may_fill_a_cart(market: Any, role: Role, status: int) -> None:
    flower = market.product(market.vendor())
    member = market.member(role=role)
    assert (await member.fills_cart({flower.id: (flower.vendor.id, 1)})).status_code == status
    assert (await member.caller.get("/api/v1/cart")).status_code == (200 if status == 200 else 404)
