"""Ids that follow from other ids, so that a repeat of a step names the same things."""

from uuid import UUID, uuid5

NAMESPACE = UUID("6f0c1a52-3f5e-5d2b-9a64-0f2d1a7e5b11")


def derived_id(*parts: UUID | str | int) -> UUID:
    """One id for one tuple of parts, always the same."""
    return uuid5(NAMESPACE, "/".join(str(part) for part in parts))
