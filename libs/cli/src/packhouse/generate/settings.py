"""`.env.example`: every variable that a process reads, from the settings classes themselves."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from chassis.manifest import Service
from chassis.settings import ServiceSettings

PAGE = Path(".env.example")
HEAD = """\
# Every variable a Packhouse process reads. Generated from the settings classes by `make generate`.
# A variable without a value is required; one behind a # has the default that stands there.
# The local stack (`make up`) sets all of them itself.

# The local stack and the tests: servers to use instead of private ones
# PACKHOUSE_POSTGRES_URL=
# PACKHOUSE_REDIS_URL=
# PACKHOUSE_RABBITMQ_URL=
# PACKHOUSE_STORAGE_URL=
# PACKHOUSE_PUBSUB_EMULATOR=
"""


def documents(services: Sequence[Service]) -> dict[Path, str]:
    parts = [HEAD, _part("every service", ServiceSettings.model_fields.items())]
    for service in services:
        own = _own_fields(service.settings)
        if own:
            parts.append(_part(service.name, own))
    return {PAGE: "\n".join(parts)}


def _own_fields(settings: type[ServiceSettings]) -> list[tuple[str, FieldInfo]]:
    """What a service adds, and what it needs otherwise than the others."""
    return [(name, field) for name, field in settings.model_fields.items() if _differs(name, field)]


def _differs(name: str, field: FieldInfo) -> bool:
    known = ServiceSettings.model_fields.get(name)
    return known is None or (known.default, known.description) != (field.default, field.description)


def _part(title: str, fields: Iterable[tuple[str, FieldInfo]]) -> str:
    return "\n".join([f"# {title}", *(_line(name, field) for name, field in fields), ""])


def _line(name: str, field: FieldInfo) -> str:
    variable = f"PACKHOUSE_{name.upper()}"
    comment = f"# {field.description}\n" if field.description else ""
    if field.is_required():
        return f"{comment}{variable}="
    return f"{comment}# {variable}={_shown(field.default)}"


def _shown(default: Any) -> str:
    if isinstance(default, tuple):
        return json.dumps([str(one) for one in default]) if default else ""
    if isinstance(default, bool):
        return str(default).lower()
    return "" if default is None else str(default)
