"""Whether a vendor may sell to a buyer (spec 0: visible vendor)."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

Obstacle = Literal["vendor_suspended", "license_invalid", "vendor_invalid"]


@dataclass(frozen=True, slots=True)
class Standing:
    """What the projection knows of a vendor store; a store it does not know is no Standing but None."""

    store_id: UUID
    name: str
    state: str
    is_visible: bool
    is_vendor: bool
    kyc_status: str


def obstacle_to_sell(vendor: Standing | None, *, buyer_store_id: UUID, buyer_state: str | None) -> Obstacle | None:
    """Why this vendor cannot sell to a buyer of that state, as a cart tells it; None when it can."""
    if vendor is None or not vendor.is_vendor or vendor.store_id == buyer_store_id:
        return "vendor_invalid"
    if vendor.kyc_status == "suspended":
        return "vendor_suspended"
    if vendor.kyc_status != "verified":
        return "license_invalid"
    if not vendor.is_visible or vendor.state != buyer_state:
        return "vendor_invalid"
    return None


def is_doubtful(vendor: Standing | None) -> bool:
    """Whether identity must be asked before this vendor is refused: a "no" of a projection is never the last word.

    That a store sits in another state is no doubt: addresses move by an admin's hand only.
    """
    return vendor is None or not vendor.is_visible
