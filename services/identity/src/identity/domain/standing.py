"""How a store stands before the law and before billing, once an admin's exceptions are counted in (spec 2.4)."""

from collections.abc import Collection
from datetime import date

from kernel.scope import Kyc

_BY_LICENCES = {
    "verified": Kyc.VERIFIED,
    "pending": Kyc.PENDING_VERIFICATION,
    "rejected": Kyc.REJECTED,
    "expired": Kyc.EXPIRED,
}
"""The first status that any licence of the store has decides."""


def recomputed_kyc(licence_statuses: Collection[str]) -> Kyc:
    """What the licences of a store say of it, unless it is suspended."""
    found = (kyc for status, kyc in _BY_LICENCES.items() if status in licence_statuses)
    return next(found, Kyc.PENDING_VERIFICATION)


def effective_kyc(recorded: Kyc, override: Kyc | None) -> Kyc:
    """Suspended whatever was granted, else the override, else what the licences say."""
    if recorded is Kyc.SUSPENDED or override is None:
        return recorded
    return override


def effective_subscription(*, billed: bool, override: str | None) -> bool:
    """Billing's word or the complimentary subscription; an override never takes a paid one away."""
    return billed or override == "active"


def override_is_over(until: date | None, today: date) -> bool:
    """An override is good through its date, compared as business days; without a date it stays until withdrawn."""
    return until is not None and until < today
