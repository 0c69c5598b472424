"""The end of a transaction that gave stock back, showed or hid a vendor, or heard of media.

The inbox applies many events in one transaction, and reservations lock products in id order at the same time. If each
event locked its own products as it came, two transactions could wait for each other. So events only write what is owed,
and one settlement at the end of the transaction takes all locks in order: media, inventory rows, then product rows.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID
from weakref import WeakKeyDictionary

from catalog.repo.media import GUARD_ALONE, USERS
from catalog.repo.products import LOCK_PRODUCTS, RAISE_VERSIONS, SHOW_OR_HIDE
from catalog.repo.reservations import SETTLE
from catalog.usecases.announcing import announce
from catalog.usecases.gallery import drop_what_is_gone
from chassis.db import Tx


@dataclass(slots=True)
class _Owed:
    movements: list[UUID] = field(default_factory=list)
    stores: set[UUID] = field(default_factory=set)
    media: set[UUID] = field(default_factory=set)


_owed: WeakKeyDictionary[Tx, _Owed] = WeakKeyDictionary()
"""What each open transaction owes. It only says where to look: what to do is read from the rows, so an event that was
undone by its savepoint leaves nothing to settle.
"""


def owe(tx: Tx, *, movements: Iterable[UUID] = (), stores: Iterable[UUID] = (), media: Iterable[UUID] = ()) -> None:
    """Have these movements counted, the products of these stores shown or hidden, and those that use these media
    brought up to date, when the transaction ends.
    """
    owed = _owed.setdefault(tx, _Owed())
    owed.movements.extend(movements)
    owed.stores.update(stores)
    owed.media.update(media)
    # Every debt registers, because a savepoint that is undone takes its registrations along. The first settles all.
    tx.at_end(lambda: settle(tx))


async def settle(tx: Tx) -> None:
    """Apply what is owed: counters, pictures, visibility, and `product_changed` for what that changed."""
    owed = _owed.pop(tx, None)
    if owed is None:
        return
    stale = await _products_showing_otherwise(tx, sorted(owed.media)) if owed.media else []
    moved = await tx.fetch(SETTLE, owed.movements) if owed.movements else []
    crossed = [row["product_id"] for row in moved if row["crossed_zero"]]
    changed = sorted({*crossed, *stale})
    if changed or owed.stores:
        await tx.fetch(LOCK_PRODUCTS, changed, sorted(owed.stores))
    if stale:
        await drop_what_is_gone(tx, stale)
    if changed:
        announce(tx, await tx.fetch(RAISE_VERSIONS, changed))
    if owed.stores:
        await tx.run(SHOW_OR_HIDE, sorted(owed.stores))


async def _products_showing_otherwise(tx: Tx, media_ids: Sequence[UUID]) -> list[UUID]:
    """Products that show these media as they are no more, once everybody who was attaching one has committed."""
    await tx.fetch(GUARD_ALONE, media_ids)
    return [row["product_id"] for row in await tx.fetch(USERS, media_ids)]
