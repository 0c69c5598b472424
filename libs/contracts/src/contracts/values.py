"""Values that several contracts share."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from contracts.event import Wire

Cents = Annotated[int, Field(strict=True, ge=-(10**12), le=10**12)]
Quantity = Annotated[int, Field(strict=True, ge=0, le=2_147_483_647)]
Currency = Literal["USD", "BTC", "ETH"]


class Address(Wire):
    """A postal address (spec 1.2); latitude and longitude are both there or both absent."""

    line1: str
    line2: str | None = None
    city: str
    state: str
    postal_code: str
    country: str = "US"
    lat: float | None = None
    lng: float | None = None


class Place(Wire):
    """As much of a shipping address as an event may tell (spec 14)."""

    postal_code: str
    lat: float | None = None
    lng: float | None = None


class ShippingLine(Wire):
    code: str
    title: str
    price_cents: Cents


class Warned(Wire):
    """One warning of a cart item, a vendor group or an order line."""

    type: str
    message: str


class VolumeDiscount(Wire):
    label: str
    amount_cents: Cents


class LineState(Wire):
    """What became of one line of an order."""

    line_id: UUID
    product_id: UUID
    qty: Quantity
    status: str
    notes: str | None = None
