"""The table of every route and who may call it, from what the doors declare."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from chassis.manifest import Service
from chassis.web import Callers, DoorRow, door_table
from packhouse.generate.markdown import table

PAGE = Path("docs/routes.md")
HEADS = ("method", "path", "who", "idempotency key", "answers", "reasons")


HEAD = """\
# Routes

Generated from the declarations of the doors by `make generate`. The role sweep of the tests walks this table.
"""


def documents(services: Sequence[Service]) -> dict[Path, str]:
    parts = [HEAD]
    for service in services:
        rows = [_row(door) for door in door_table(service)]
        if rows:
            parts.append(f"## {service.name}\n\n{table(HEADS, rows)}\n")
    return {PAGE: "\n".join(parts)}


def _row(door: DoorRow) -> tuple[str, ...]:
    statuses = ", ".join(str(status) for status in door.statuses)
    reasons = ", ".join(sorted(door.reasons))
    return door.method, f"`{door.path}`", who(door.callers), _key(door), statuses, reasons


def _key(door: DoorRow) -> str:
    key = door.key.described()
    return "none" if key["policy"] == "none" else f"{key['policy']}, {key['keep_hours']} h"


def who(callers: Callers) -> str:
    """`store: owner, manager; vendor; verified`, `service: orders`, `anyone`."""
    facts = callers.described()
    kind = str(facts["who"])
    if kind == "service":
        return f"service: {', '.join(facts['services'])}"
    if kind != "store":
        return kind
    words = [f"store: {', '.join(facts['roles'])}"]
    if facts["store_type"]:
        words.append(str(facts["store_type"]))
    if facts["verified"]:
        words.append("verified")
    return "; ".join(words)
