"""One OpenAPI document out of those of the services, for whoever builds a client."""

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any

from chassis.telemetry import get_logger
from gateway.clients.upstreams import Upstreams
from kernel.refusal import Unavailable

KEPT_SECONDS = 60.0
FETCH_SECONDS_MAX = 3.0
PATH = "/openapi.json"

_log = get_logger(__name__)


class Reference:
    """Merges the services' documents and keeps the result for a minute; a service that is away stands in with the
    last document it gave, and otherwise is named in `x-missing`.
    """

    def __init__(self, upstreams: Upstreams, own: Mapping[str, Any]) -> None:
        self._upstreams = upstreams
        self._own = own
        self._documents: dict[str, dict[str, Any]] = {}
        self._merged = b""
        self._merged_at = float("-inf")
        self._lock = asyncio.Lock()

    async def document(self) -> bytes:
        async with self._lock:
            if time.monotonic() - self._merged_at >= KEPT_SECONDS:
                services = sorted(self._upstreams.services)
                missing = [name for name, had in zip(services, await self._fetch_all(services), strict=True) if not had]
                self._merged = json.dumps(merged(self._own, self._documents, missing)).encode()
                self._merged_at = float("-inf") if missing else time.monotonic()
            return self._merged

    async def _fetch_all(self, services: list[str]) -> list[bool]:
        return await asyncio.gather(*(self._fetch(service) for service in services))

    async def _fetch(self, service: str) -> bool:
        """Whether there is a document of the service, fresh or old."""
        try:
            self._documents[service] = await self._upstreams.get_json(service, PATH, {}, FETCH_SECONDS_MAX)
        except Unavailable:
            _log.warning("reference.unavailable", service=service)
        return service in self._documents


def merged(own: Mapping[str, Any], documents: Mapping[str, Mapping[str, Any]], missing: list[str]) -> dict[str, Any]:
    """One document with the public paths of all. A schema name that two services use differently gets the service's
    name in front of it.
    """
    paths: dict[str, Any] = dict(own["paths"])
    schemas: dict[str, Any] = dict(own["components"]["schemas"])
    responses: dict[str, Any] = {}
    for service, document in documents.items():
        offered: Mapping[str, Any] = document.get("components", {}).get("schemas", {})
        clashing = {name for name, schema in offered.items() if schemas.get(name, schema) != schema}
        renamed = {name: f"{service.capitalize()}{name}" for name in clashing}
        own_words = _renamed(document, renamed)
        schemas |= {renamed.get(name, name): schema for name, schema in _schemas(own_words).items()}
        responses |= own_words.get("components", {}).get("responses", {})
        paths |= {path: item for path, item in own_words["paths"].items() if path.startswith("/api/")}
    components = {**own["components"], "responses": responses, "schemas": dict(sorted(schemas.items()))}
    return {**own, "paths": dict(sorted(paths.items())), "components": components, "x-missing": missing}


def _schemas(document: Mapping[str, Any]) -> Mapping[str, Any]:
    schemas: Mapping[str, Any] = document.get("components", {}).get("schemas", {})
    return schemas


def _renamed(document: Mapping[str, Any], renamed: Mapping[str, str]) -> Any:
    """The document with every reference to a renamed schema rewritten."""
    text = json.dumps(document)
    for name, replacement in renamed.items():
        text = text.replace(f'"#/components/schemas/{name}"', f'"#/components/schemas/{replacement}"')
    return json.loads(text)
