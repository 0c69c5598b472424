"""Orders and lines made by hand, for tests that need no service."""

from datetime import UTC, datetime
from uuid import uuid4

from orders.domain.order import Line, VendorOrder, charged, status_of
from orders.domain.passage import NUDGE_AFTER, TTL
from orders.domain.states import OrderStatus, PaymentMethod

NOW = datetime(2026, 11, 25, tzinfo=UTC)


def line(price: int = 100, qty: int = 1, discount: int = 0, **changes: object) -> Line:
    subtotal = price * qty
    values = {
        "id": uuid4(),
        "product_id": uuid4(),
        "name": "Flower",
        "category": "flower",
        "unit": "gram",
        "unit_price_cents": price,
        "qty": qty,
        "moq": 1,
        "line_subtotal_cents": subtotal,
        "discount_cents": discount,
        "total_cents": subtotal - discount,
    }
    return Line(**{**values, **changes})


def order(*ordered: Line, status: OrderStatus | None = None, tip: int = 0, shipping: int = 0) -> VendorOrder:
    amounts = charged(ordered, shipping_cents=shipping, tip_cents=tip)
    return VendorOrder(
        id=uuid4(),
        cart_id=uuid4(),
        checkout_group_id=uuid4(),
        buyer_store_id=uuid4(),
        vendor_store_id=uuid4(),
        status=status or status_of(ordered),
        payment_method=PaymentMethod.CASH,
        amounts=amounts,
        balance_due_cents=amounts.total_cents,
        shipping_address=None,
        shipping_line={"code": "van", "title": "Van", "price_cents": shipping},
        nudge_due_at=NOW + NUDGE_AFTER,
        expires_at=NOW + TTL,
        created_at=NOW,
        updated_at=NOW,
        lines=ordered,
    )
