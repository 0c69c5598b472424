"""What a checkout became, field by field: a line fails, a vendor fails, all fail (spec 5.3)."""

from typing import Any

from .conftest import ADDRESS

LINE = {"thumbnail": None, "category": "flower", "strain": None, "classification": None, "unit": "gram"}


def line(product: Any, quantity: int, status: str, notes: str | None, price: int, total: int = 0) -> dict[str, Any]:
    """A line as confirmation and detail show it, but for its id."""
    return {
        **LINE,
        "product_id": str(product.id),
        "name": product.title,
        "unit_price_cents": price,
        "quantity": quantity,
        "discount_cents": 0,
        "total_cents": total,
        "status": status,
        "notes": notes,
    }


def order(vendor: Any, status: str, *items: dict[str, Any], subtotal: int = 0, total: int = 0) -> dict[str, Any]:
    """An order as the confirmation shows it, but for its ids."""
    return {
        "vendor_store_id": str(vendor.id),
        "status": status,
        "payment_status": "unpaid",
        "payment_method": "cash",
        "amount_cents": total,
        "balance_due_cents": total,
        "fulfillment_status": "pending",
        "shipping_status": "pending",
        "payment_intent": None,
        "active_assignment": None,
        "subtotal_cents": subtotal,
        "total_cents": total,
        "warnings": [],
        "promo": None,
        "items": list(items),
    }


def group(vendor: Any, total: int, *warnings: dict[str, str], status: str = "ok") -> dict[str, Any]:
    amounts = {"line_discounts_cents": 0, "promo_discount_cents": 0, "discounts_cents": 0}
    shown = {"vendor_store_id": str(vendor.id), "status": status, "warnings": list(warnings), "promo": None}
    return {**shown, **amounts, "subtotal_cents": total, "total_cents": total}


async def confirmed(buyer: Any, checkout: dict[str, Any]) -> dict[str, Any]:
    """The confirmation, its orders and lines without the ids that cannot be known before."""
    answer = await buyer.caller.get(f"/api/v1/checkout/{checkout['checkout_group_id']}/confirmation")
    told: dict[str, Any] = answer.json()["data"]
    for one in told["vendor_orders"]:
        assert {one.pop("order_id"), one.pop("order_number")}
        for item in one["items"]:
            assert item.pop("id")
    return told


async def test_a_confirmation_of_a_partial_checkout_is_told_field_by_field(market: Any, buyer: Any) -> None:
    partial, refused, hidden = (market.vendor(name) for name in ("Partial", "Refused", "Hidden"))
    hidden.hidden = True
    fine, scarce = market.product(partial, title="Fine"), market.product(partial, title="Scarce", available=5)
    lost, away = market.product(refused, title="Lost", available=3), market.product(hidden, title="Away")
    cart = await buyer.wants((fine, 2), (scarce, 5), (lost, 3), (away, 1))
    scarce.available, lost.available = 4, 0
    checkout = (await buyer.checks_out(cart["id"], tip_cents=10)).json()["data"]

    told = await confirmed(buyer, checkout)

    warned = {"type": "vendor_invalid", "message": "This vendor cannot sell to your store."}
    gone = "insufficient_inventory"
    assert told == {
        "checkout_group_id": checkout["checkout_group_id"],
        "cart_id": cart["id"],
        "vendor_orders": [
            order(
                partial,
                "created_pending",
                line(fine, 2, "pending", None, 1_500, 3_000),
                line(scarce, 5, "rejected", gone, 1_500),
                subtotal=3_000,
                total=3_010,
            ),
            order(refused, "rejected", line(lost, 3, "rejected", gone, 1_500)),
        ],
        "cart_vendor_groups": [
            group(partial, 10_500),
            group(refused, 4_500),
            group(hidden, 0, warned, status="invalid"),
        ],
    }


async def test_when_everything_fails_the_refusal_names_every_line(market: Any, buyer: Any) -> None:
    first, second = market.vendor(), market.vendor()
    lost, dull = market.product(first, available=3), market.product(second)
    cart = await buyer.wants((lost, 3), (dull, 1))
    lost.available, dull.active = 1, False

    answer = await buyer.checks_out(cart["id"])

    error = answer.json()["error"]
    assert error.pop("request_id")
    assert (answer.status_code, set(answer.json())) == (409, {"error"})
    assert error == {
        "code": "CONFLICT",
        "reason": "nothing_reservable",
        "message": "no line can be reserved",
        "details": {
            "lines": [
                {
                    "product_id": str(lost.id),
                    "vendor_store_id": str(first.id),
                    "reason": "insufficient_inventory",
                    "available_qty": 1,
                },
                {
                    "product_id": str(dull.id),
                    "vendor_store_id": str(second.id),
                    "reason": "product_inactive",
                    "available_qty": 0,
                },
            ]
        },
    }
    assert (await buyer.caller.get(f"/api/v1/checkout/{cart['id']}/confirmation")).status_code == 404


async def test_the_confirmation_follows_what_becomes_of_the_order(market: Any, buyer: Any) -> None:
    flower = market.product(market.vendor())
    checkout = await buyer.buys((flower, 2))
    [placed] = checkout["vendor_orders"]
    assert checkout["shipping_address"] == ADDRESS
    await market.seller(flower.vendor).decides(placed["order_id"], "accept")
    await buyer.cancels(placed["order_id"])

    [told] = (await confirmed(buyer, checkout))["vendor_orders"]

    assert (told["status"], told["amount_cents"], told["balance_due_cents"]) == ("canceled", 3_000, 0)
