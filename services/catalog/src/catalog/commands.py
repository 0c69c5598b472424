"""Commands of `python -m chassis catalog` beyond those that every service has."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from catalog.queries.stock import explained_counters
from chassis.db import Record
from chassis.floor import Floor

BATCH = 1000
CHECKS: Mapping[str, tuple[str, str]] = {
    "available_qty is not what the movements add up to": ("available_qty", "available_moved"),
    "reserved_qty is not what the movements add up to": ("reserved_qty", "reserved_moved"),
    "reserved_qty is not what held and confirmed reservations add up to": ("reserved_qty", "reserved_live"),
}


async def stock(floor: Floor, arguments: Sequence[str]) -> None:
    """`stock reconcile`: prove that every counter equals the rows behind it, or name the drift and exit with 1."""
    if list(arguments) != ["reconcile"]:
        sys.stderr.write("usage: stock reconcile\n")
        raise SystemExit(2)
    products, drifts = 0, 0
    async for row in _all_counters(floor):
        products += 1
        for line in drift_of(row):
            drifts += 1
            sys.stdout.write(line + "\n")
    sys.stdout.write(f"{products} products, {drifts} drifts\n")
    if drifts:
        raise SystemExit(1)


async def _all_counters(floor: Floor) -> Any:
    after = None
    while True:
        async with floor.db.reader() as db:
            rows: Sequence[Record] = await explained_counters(db, after=after, limit=BATCH)
        for row in rows:
            yield row
        if len(rows) < BATCH:
            return
        after = rows[-1]["product_id"]


def drift_of(row: Mapping[str, Any]) -> Iterator[str]:
    """One sentence for each counter of a product that its rows do not explain."""
    for sentence, (counter, expected) in CHECKS.items():
        if row[counter] != row[expected]:
            yield f"product {row['product_id']}: {sentence}: {row[counter]} instead of {row[expected]}"
