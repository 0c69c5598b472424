"""Every plant by its name. Product code knows nothing of them: they replace attributes of loaded modules."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

MODULES = (
    "relay", "inbox", "idempotency", "stock", "access", "people", "passwords", "licences", "cloud", "orders"
)  # fmt: skip


@dataclass(frozen=True)
class Plant:
    """`evidence` is what the failing test must say: a test that fails for another reason has caught nothing."""

    sow: Callable[[], None]
    evidence: str


PLANTS: dict[str, Plant] = {}


def plant(name: str, *, evidence: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    def known(sow: Callable[[], None]) -> Callable[[], None]:
        PLANTS[name] = Plant(sow, evidence)
        return sow

    return known


def sow(name: str) -> None:
    """Let this process have the defect, once and for good."""
    PLANTS[name].sow()


def replace_everywhere(module: Any, name: str, new: Any) -> None:
    """Also where other modules of the house have imported the original by name."""
    original = getattr(module, name)
    for other in list(sys.modules.values()):
        if getattr(other, name, None) is original:
            setattr(other, name, new)


def replaced(text: str, old: str, new: str) -> str:
    """The text with a piece changed that must be there: a plant that changes nothing is no plant."""
    if old not in text:
        raise LookupError(f"the plant has lost its ground: {old!r} is not in the product any more")
    return text.replace(old, new)


def load() -> None:
    for module in MODULES:
        import_module(f"planted.{module}")
