"""The end of a transaction that gave stock back, or showed or hid a vendor.

The inbox applies many events in one transaction, and reservations lock products in id order at the same time. If each
event locked its own products as it came, two transactions could wait for each other. So events only write what is owed,
and one settlement at the end of the transaction takes all locks in order: inventory rows, then product rows.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID
from weakref import WeakKeyDictionary

from catalog.repo.products import LOCK_PRODUCTS, RAISE_VERSIONS, SHOW_OR_HIDE
from catalog.repo.reservations import SETTLE
from catalog.usecases.announcing import announce
from chassis.db import Tx


@dataclass(slots=True)
class _Owed:
    movements: list[UUID] = field(default_factory=list)
    stores: set[UUID] = field(default_factory=set)


_owed: WeakKeyDictionary[Tx, _Owed] = WeakKeyDictionary()
"""What each open transaction owes. It only says where to look: what to do is read from the rows, so an event that was
undone by its savepoint leaves nothing to settle.
"""


def owe(tx: Tx, *, movements: Iterable[UUID] = (), stores: Iterable[UUID] = ()) -> None:
    """Have these movements counted, and the products of these stores shown or hidden, when the transaction ends."""
    owed = _owed.setdefault(tx, _Owed())
    owed.movements.extend(movements)
    owed.stores.update(stores)
    # Every debt registers, because a savepoint that is undone takes its registrations along. The first settles all.
    tx.at_end(lambda: settle(tx))


async def settle(tx: Tx) -> None:
    """Apply what is owed: counters, visibility, and `product_changed` for stock that crossed zero."""
    owed = _owed.pop(tx, None)
    if owed is None:
        return
    moved = await tx.fetch(SETTLE, owed.movements) if owed.movements else []
    crossed = [row["product_id"] for row in moved if row["crossed_zero"]]
    if crossed or owed.stores:
        await tx.fetch(LOCK_PRODUCTS, crossed, sorted(owed.stores))
    if crossed:
        announce(tx, await tx.fetch(RAISE_VERSIONS, crossed))
    if owed.stores:
        await tx.run(SHOW_OR_HIDE, sorted(owed.stores))
