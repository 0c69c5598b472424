"""Orders that are moved without being held, ended too early, or give stock back that is no longer theirs."""

from datetime import timedelta
from typing import Any

from planted.registry import plant, replaced


@plant("moves of an order without its lock", evidence=r"\[200, 200\] == \[200, 422\]")
def unlocked_moves() -> None:
    from orders.repo import orders

    orders._LOCK = replaced(orders._LOCK, " for update", "")


@plant("an order that ends although its reminder came late", evidence="'expired'")
def no_grace() -> None:
    from orders.domain import passage

    passage.GRACE = timedelta(0)


@plant("a cancel that gives back what was rejected before", evidence=r"assert \[")
def returned_twice() -> None:
    from orders.domain import facts

    def all_ids(order: Any) -> list[Any]:
        return [line.id for line in order.lines]

    facts._kept_ids = all_ids
