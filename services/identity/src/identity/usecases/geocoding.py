"""Putting stores on the map (spec 2.5)."""

from uuid import UUID

from chassis.db import Tx
from identity.domain.stores import Point
from identity.repo import stores


async def place_store(tx: Tx, store_id: UUID, point: Point | None) -> None:
    """Record the geocoder's answer. A store that got its point otherwise meanwhile keeps it."""
    placed = await stores.locate(tx, store_id, point)
    if placed is not None:
        tx.emit(placed.as_event())
