"""Orders as other services may keep them, and what jobs find to do."""

from collections.abc import Sequence
from uuid import UUID

from chassis.db import Reader
from contracts.orders import OrderChanged
from orders.domain.facts import order_changed
from orders.repo import attempts, orders
from orders.repo.attempts import LapsedAttempt


async def order_snapshots(
    db: Reader, *, only: UUID | None = None, after: UUID | None = None, limit: int = 200
) -> Sequence[OrderChanged]:
    """Present snapshots in id order, for rebuild, join and baselines."""
    return [order_changed(order) for order in await orders.page(db, only=only, after=after, limit=limit)]


async def due_orders(db: Reader, *, after: UUID, limit: int) -> list[UUID]:
    """Undecided orders to which the clock owes a reminder or their end, in id order."""
    return await orders.due(db, after=after, limit=limit)


async def lapsed_attempts(db: Reader, limit: int) -> list[LapsedAttempt]:
    """Attempts that nobody is working on, longest waiting first."""
    return await attempts.lapsed(db, limit)
