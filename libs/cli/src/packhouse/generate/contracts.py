"""The contracts others rely on: a JSON schema for each event, an OpenAPI document for each service."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chassis.manifest import Service
from chassis.web.app import ServiceApp

FOLDER = Path("docs/contracts")


def documents(services: Sequence[Service]) -> dict[Path, str]:
    schemas = {
        FOLDER / "events" / f"{event.topic}.json": event.model_json_schema()
        for service in services
        for event in service.emits
    }
    references = {
        FOLDER / "openapi" / f"{service.name}.json": ServiceApp(service).openapi()
        for service in services
        if service.routers or service.metadata is not None
    }
    return {path: _json(document) for path, document in {**schemas, **references}.items()}


def _json(document: Any) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
