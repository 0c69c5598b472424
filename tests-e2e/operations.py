"""Every operation of the house, taken from the manifests: a route that is added is swept without being listed."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import import_module
from typing import Any

from chassis.web import door_table
from chassis.web.doors import doors_of
from chassis.web.openapi import document
from gateway.api.own_reference import OWN_REFERENCE
from packhouse.environment import EDGE, installed_services

METHODS = ("get", "post", "put", "patch", "delete")
Steps = tuple[str | int, ...]


Wanted = Callable[[Mapping[str, Any]], bool]


@dataclass(frozen=True)
class IdParameter:
    """One place of a request that takes an id, a cursor or a text; `steps` lead to it within a query or a body."""

    place: str
    steps: Steps

    @property
    def name(self) -> str:
        return str(self.steps[-1])

    def __str__(self) -> str:
        return f"{self.place} {'.'.join(map(str, self.steps))}"


@dataclass(frozen=True)
class Operation:
    """One operation as its service documents it. `who` is the word of its declaration: `store`, `admin`, `anyone`."""

    service: str
    method: str
    path: str
    who: str
    listed: frozenset[str]
    reference: Mapping[str, Any]
    schemas: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Unique in the house: internal routes of the same path stand in several services."""
        where = f"{self.service} " if self.is_internal else ""
        return f"{where}{self.method} {self.path}"

    @property
    def is_internal(self) -> bool:
        return self.path.startswith("/internal/")

    @property
    def is_anonymous(self) -> bool:
        return self.who in {"open", "anyone", "bearer"}

    def at(self, value: str) -> str:
        """The path with this value in the place of every id."""
        return self.with_ids(defaultdict(lambda: value))

    def with_ids(self, ids: Mapping[str, str]) -> str:
        """The path with these ids in their places."""
        path = self.path
        for parameter in self.reference.get("parameters", ()):
            if parameter["in"] == "path":
                path = path.replace(f"{{{parameter['name']}}}", ids[parameter["name"]])
        return path

    @cached_property
    def ids(self) -> tuple[IdParameter, ...]:
        """Every path, query and body place whose schema is a uuid, and every cursor."""
        return tuple(self._ids())

    @cached_property
    def texts(self) -> tuple[IdParameter, ...]:
        """Every path, query and body place that takes a string: ids, enums, sorts and filters among them."""
        return tuple(dict.fromkeys(self._places(lambda schema: schema.get("type") == "string")))

    @property
    def takes_body(self) -> bool:
        return "requestBody" in self.reference

    @property
    def takes_key(self) -> bool:
        """Whether an idempotency key counts here."""
        return self._key is not None

    @property
    def needs_key(self) -> bool:
        return self._key is not None and bool(self._key["required"])

    @property
    def _key(self) -> Mapping[str, Any] | None:
        parameters = self.reference.get("parameters", ())
        return next((one for one in parameters if one["in"] == "header" and one["name"] == "Idempotency-Key"), None)

    @cached_property
    def objects(self) -> Mapping[Steps, frozenset[str]]:
        """The names that each object of the body may have, by the steps that lead to it; the body itself is at ()."""
        return dict(self._objects(self._body_schema, ())) if self.takes_body else {}

    def _ids(self) -> Iterator[IdParameter]:
        cursors = (one for one in self.reference.get("parameters", ()) if one["name"] == "cursor")
        yield from (IdParameter(one["in"], (one["name"],)) for one in cursors)
        yield from self._places(lambda schema: schema.get("format") == "uuid")

    def _places(self, wanted: Wanted) -> Iterator[IdParameter]:
        for parameter in self.reference.get("parameters", ()):
            found = self._steps(wanted, parameter["schema"], (parameter["name"],))
            yield from (IdParameter(parameter["in"], steps) for steps in found)
        if self.takes_body:
            yield from (IdParameter("body", steps) for steps in self._steps(wanted, self._body_schema, ()))

    @property
    def _body_schema(self) -> Mapping[str, Any]:
        schema: Mapping[str, Any] = self.reference["requestBody"]["content"]["application/json"]["schema"]
        return schema

    def _objects(self, schema: Mapping[str, Any], steps: Steps) -> Iterator[tuple[Steps, frozenset[str]]]:
        schema = self._resolved(schema)
        if "properties" in schema:
            yield steps, frozenset(schema["properties"])
        for variant in _variants(schema):
            yield from self._objects(variant, steps)
        if "items" in schema:
            yield from self._objects(schema["items"], (*steps, 0))
        for name, inner in schema.get("properties", {}).items():
            yield from self._objects(inner, (*steps, name))

    def _steps(self, wanted: Wanted, schema: Mapping[str, Any], steps: Steps) -> Iterator[Steps]:
        schema = self._resolved(schema)
        if wanted(schema):
            yield steps
        for variant in _variants(schema):
            yield from self._steps(wanted, variant, steps)
        if "items" in schema:
            yield from self._steps(wanted, schema["items"], (*steps, 0))
        for name, inner in schema.get("properties", {}).items():
            yield from self._steps(wanted, inner, (*steps, name))

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        known: Mapping[str, Any] = self.schemas[schema["$ref"].rsplit("/", 1)[1]] if "$ref" in schema else schema
        return known


def _variants(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from (*schema.get("anyOf", ()), *schema.get("allOf", ()), *schema.get("oneOf", ()))


@cache
def all_operations() -> tuple[Operation, ...]:
    """Of every service that is installed, the gateway's own included."""
    services = [name for name in installed_services() if name != EDGE]
    return tuple(operation for name in services for operation in _of_service(name)) + tuple(_of_gateway())


def service_reference(service: str) -> dict[str, Any]:
    """The OpenAPI document of a service, as the service itself makes it."""
    manifest = import_module(f"{service}.manifest").SERVICE
    return document(title=service, version="1", doors=doors_of(manifest))


def _of_service(service: str) -> Iterator[Operation]:
    made = service_reference(service)
    for row in door_table(import_module(f"{service}.manifest").SERVICE):
        yield Operation(
            service=service,
            method=row.method,
            path=row.path,
            who=row.callers.who,
            listed=frozenset(row.callers.services),
            reference=made["paths"][row.path][row.method.lower()],
            schemas=made["components"]["schemas"],
        )


def _of_gateway() -> Iterator[Operation]:
    for path, item in OWN_REFERENCE["paths"].items():
        for method in METHODS:
            if method in item:
                yield Operation(
                    service=EDGE,
                    method=method.upper(),
                    path=path,
                    who=item[method]["x-callers"].replace(" ", "_"),
                    listed=frozenset(),
                    reference=item[method],
                    schemas=OWN_REFERENCE["components"]["schemas"],
                )
