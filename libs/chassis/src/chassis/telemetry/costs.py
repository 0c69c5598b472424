"""What one request costs: how many statements are sent to the database on its behalf."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class Cost:
    """Shared by all tasks of one request."""

    __slots__ = ("statements",)

    def __init__(self) -> None:
        self.statements = 0


_cost: ContextVar[Cost | None] = ContextVar("packhouse_cost", default=None)


@contextmanager
def costed() -> Iterator[Cost]:
    """Counts what is done inside, in this task and in those it starts."""
    cost = Cost()
    token = _cost.set(cost)
    try:
        yield cost
    finally:
        _cost.reset(token)


def count_statement() -> None:
    cost = _cost.get()
    if cost is not None:
        cost.statements += 1
