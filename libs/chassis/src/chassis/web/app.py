"""The HTTP app of a service, built from its manifest."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from pydantic_core import to_json
from starlette.types import ASGIApp, Receive, Scope, Send

from chassis.answer import Answer, refused
from chassis.telemetry.setup import service_version
from chassis.web import health
from chassis.web.doors import Door, doors_of
from chassis.web.exchange import EXCHANGE, Exchange, Front, send_answer
from chassis.web.openapi import document
from kernel.refusal import MethodNotAllowed, NotFound

if TYPE_CHECKING:
    from chassis.floor import Floor
    from chassis.manifest import Service

House = Callable[["Floor", Exchange], Awaitable[Answer]]


class ServiceApp(FastAPI):
    """The doors of one service. Its document is made of what they declare."""

    def __init__(self, service: "Service") -> None:
        off = TelemetryConfig(tracing=False, metrics=False, logs=False, operation_spans=False, auto_configure=False)
        super().__init__(
            title=f"Packhouse {service.name}",
            version=service_version(service.name),
            openapi_url=None,
            docs_url=None,
            redoc_url=None,
            telemetry=off,
        )
        self.doors = doors_of(service)
        self.router.routes.extend(self.doors)

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            self.openapi_schema = document(title=self.title, version=self.version, doors=self.doors)
        return self.openapi_schema


class Hall:
    """Finds the door of a request.

    Doors without parameters are found by their path; the others are matched in turn. What FastAPI would put between
    (five layers for forms, body limits, exit stacks) has no use here and costs as much as a small query.
    """

    def __init__(self, app: ServiceApp) -> None:
        self._app = app
        self._plain: dict[str, dict[str, Door]] = {}
        self._patterned: list[Door] = []
        for door in app.doors:
            if door.param_convertors:
                self._patterned.append(door)
            else:
                self._plain.setdefault(door.rule.path, {})[door.rule.method] = door
        self._house: dict[str, House] = {
            "/health/live": _live,
            "/health/ready": _ready,
            "/metrics": _metrics,
            "/openapi.json": self._reference,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        door = self._find(scope)
        if isinstance(door, Door):
            await door.app(scope, receive, send)
            return
        exchange: Exchange = scope[EXCHANGE]
        house = self._house.get(scope["path"])
        if house is not None and scope["method"] == "GET":
            exchange.quiet = True
            exchange.begin(scope["path"])
            answer = await house(exchange.floor, exchange)
        else:
            answer = refused(
                MethodNotAllowed() if door is MethodNotAllowed or house else NotFound(), exchange.request_id
            )
        await send_answer(answer, send, 200)

    def _find(self, scope: Scope) -> Door | type[MethodNotAllowed] | None:
        """The door of this method and path, or that the path has doors of other methods only."""
        method: str = scope["method"]
        plain = self._plain.get(scope["path"])
        if plain is not None and method in plain:
            scope["path_params"] = {}
            return plain[method]
        other_method = plain is not None
        for door in self._patterned:
            found = door.path_regex.match(scope["path"])
            if found is None:
                continue
            if door.rule.method == method:
                scope["path_params"] = found.groupdict()
                return door
            other_method = True
        return MethodNotAllowed if other_method else None

    async def _reference(self, _floor: "Floor", _exchange: Exchange) -> Answer:
        return Answer(to_json(self._app.openapi()))


def create_app(floor: "Floor") -> ASGIApp:
    """The app of one process. Raises TypeError for a route that does not declare its callers."""
    if floor.service.edge is not None:
        return Front(floor.service.edge(floor), floor)
    return Front(Hall(ServiceApp(floor.service)), floor)


def create_worker_app(floor: "Floor") -> ASGIApp:
    """What a process without doors answers: health and metrics."""
    return Front(Hall(ServiceApp(replace(floor.service, routers=(), metadata=None))), floor)


async def _live(floor: "Floor", _exchange: Exchange) -> Answer:
    return health.live(floor)


async def _ready(floor: "Floor", exchange: Exchange) -> Answer:
    return await health.ready(floor, exchange.request_id)


async def _metrics(_floor: "Floor", _exchange: Exchange) -> Answer:
    return health.metrics()
