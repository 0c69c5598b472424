"""Stock that is read first and written later, or locked in whatever order a cart names it."""

from catalog.repo import reservations
from planted.registry import plant, replaced


@plant("read-then-write stock", evidence=r"assert \d+ == 3")
def read_then_write() -> None:
    unlocked = replaced(reservations.RESERVE, " order by i.product_id\n       for update\n), decided", "), decided")
    reservations.RESERVE = replaced(
        unlocked,
        "set available_qty = i.available_qty - d.qty, reserved_qty = i.reserved_qty + d.qty,",
        "set available_qty = d.shelf_qty - d.qty, reserved_qty = i.reserved_qty + d.qty,",
    )


@plant("unsorted lines", evidence="503|500")
def unsorted() -> None:
    reservations.RESERVE = replaced(
        reservations.RESERVE,
        """      from inventory_items i
     where i.product_id in (select product_id from line where obstacle is null) and exists (select from claim)
     order by i.product_id
       for update
), decided""",
        """      from inventory_items i join line using (product_id)
     where obstacle is null and exists (select from claim)
     order by line.place
       for update of i
), decided""",
    )
