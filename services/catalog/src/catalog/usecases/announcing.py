"""Saying what became of products."""

from collections.abc import Iterable, Mapping
from typing import Any

from chassis.db import Tx
from contracts.catalog import ProductChanged


def announce(tx: Tx, facts: Iterable[Mapping[str, Any]]) -> None:
    """Emit `product_changed` for each row of facts (`catalog.repo.products.FACTS` and `in_stock`)."""
    for row in facts:
        tx.emit(ProductChanged.model_validate(dict(row)))
