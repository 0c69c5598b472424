"""Doors: routes that say who may call them, what they answer, and how a repeat is treated.

A door keeps the order of spec 1.5: 401, capability 403, key present 400, shape of path, query and body 400, then the
claim, then the endpoint. FastAPI collects and documents the routes; running one is done here, because its general
machinery (dependency trees, response models) costs more than a read's whole query.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Required, TypedDict, TypeVar, Unpack

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from chassis.answer import Answer
from chassis.web.callers import Callers
from chassis.web.keys import KeyPolicy, no_key, optional
from chassis.web.openapi import documented
from chassis.web.plan import Plan
from chassis.web.visit import Visit

if TYPE_CHECKING:
    from chassis.idempotency import Stored
    from chassis.manifest import Service
    from chassis.web.call import Call

Endpoint = TypeVar("Endpoint", bound=Callable[..., Awaitable[Any]])
Replay = Callable[["Call", "Stored"], Awaitable[Answer]]

INTERNAL: Final = "/internal/"
WRITES: Final = frozenset({"POST", "PUT", "PATCH"})


class Declaration(TypedDict, total=False):
    """What a route may say about itself; see README, "Doors"."""

    allow: Required[Callers]
    key: KeyPolicy
    answers: Any
    status: int | tuple[int, ...]
    reasons: Sequence[str]
    keyed_by: str
    replay: Replay
    summary: str


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A declaration with its method, its path and what follows from them."""

    method: str
    path: str
    allow: Callers
    key: KeyPolicy | None = None
    answers: Any = None
    status: int | tuple[int, ...] = 200
    reasons: Sequence[str] = ()
    keyed_by: str | None = None
    replay: Replay | None = None
    summary: str | None = None

    def __post_init__(self) -> None:
        _check(self)

    @property
    def is_internal(self) -> bool:
        return self.path.startswith(INTERNAL)

    @cached_property
    def keys(self) -> KeyPolicy:
        """The key policy that counts: a write honours a key, unless nobody in particular asks."""
        if self.key is not None:
            return self.key
        if self.method not in WRITES or (self.allow.is_anonymous and self.keyed_by is None):
            return no_key()
        return optional()

    @cached_property
    def statuses(self) -> tuple[int, ...]:
        """The documented successes; the first is what an answer without a status gets."""
        return (self.status,) if isinstance(self.status, int) else self.status


class Door(APIRoute):
    """One route of a service."""

    def __init__(self, rule: Rule, endpoint: Callable[..., Any], *, tags: Sequence[str]) -> None:
        self.rule = rule
        has_body = rule.method in WRITES
        self.plan = Plan(endpoint, path=rule.path, has_body=has_body, lenient=rule.is_internal)
        endpoint.__signature__ = self.plan.signature()  # type: ignore[attr-defined]
        super().__init__(
            rule.path,
            endpoint,
            methods=[rule.method],
            tags=list(tags),
            operation_id=endpoint.__name__,
            summary=rule.summary,
            response_model=None,
            **documented(rule),
        )
        self.app = self._open

    async def _open(self, scope: Scope, receive: Receive, send: Send) -> None:
        visit = Visit(self.rule, self.plan, scope, receive)
        answer = await visit.answer()
        if isinstance(answer, Response):
            await answer(scope, receive, send)
        else:
            await visit.send(answer, send)


class Router(APIRouter):
    """Collects the doors of one part of a service. Every decorator needs `allow`; see README, "Doors".

    The decorators take a `Declaration` instead of FastAPI's options, hence the ignored overrides.
    """

    def __init__(self, *, prefix: str = "", tags: Sequence[str] = ()) -> None:
        super().__init__(prefix=prefix, tags=list(tags))

    @property
    def doors(self) -> list[Door]:
        return [route for route in self.routes if isinstance(route, Door)]

    def get(self, path: str, **declared: Unpack[Declaration]) -> Callable[[Endpoint], Endpoint]:  # type: ignore[override]
        return self._door("GET", path, **declared)

    def post(self, path: str, **declared: Unpack[Declaration]) -> Callable[[Endpoint], Endpoint]:  # type: ignore[override]
        return self._door("POST", path, **declared)

    def put(self, path: str, **declared: Unpack[Declaration]) -> Callable[[Endpoint], Endpoint]:  # type: ignore[override]
        return self._door("PUT", path, **declared)

    def patch(self, path: str, **declared: Unpack[Declaration]) -> Callable[[Endpoint], Endpoint]:  # type: ignore[override]
        return self._door("PATCH", path, **declared)

    def delete(self, path: str, **declared: Unpack[Declaration]) -> Callable[[Endpoint], Endpoint]:  # type: ignore[override]
        return self._door("DELETE", path, **declared)

    def _door(self, method: str, path: str, **declared: Unpack[Declaration]) -> Callable[[Endpoint], Endpoint]:
        rule = Rule(method=method, path=self.prefix + path, **declared)

        def declare(endpoint: Endpoint) -> Endpoint:
            self.routes.append(Door(rule, endpoint, tags=[str(tag) for tag in self.tags]))
            return endpoint

        return declare


@dataclass(frozen=True, slots=True)
class DoorRow:
    """One row of the table of doors, for the generated reference and the role sweep."""

    method: str
    path: str
    operation_id: str
    callers: Callers
    key: KeyPolicy
    statuses: tuple[int, ...]
    reasons: tuple[str, ...]


def doors_of(service: "Service") -> list[Door]:
    """All doors of a service, its floor's included. Raises TypeError for a route that is no door, or said twice."""
    doors: list[Door] = []
    for router in (*service.routers, *_floor_routers(service)):
        strangers = [route for route in router.routes if not isinstance(route, Door)]
        if strangers:
            raise TypeError(f"{service.name}: routes without a declaration of their callers: {strangers}")
        doors += router.doors
    _refuse_repeats(service.name, [f"{door.rule.method} {door.rule.path}" for door in doors])
    _refuse_repeats(service.name, [door.operation_id or "" for door in doors])
    return doors


def door_table(service: "Service") -> list[DoorRow]:
    """(method, path, callers, key, ...) of every route of a service, in the order of their paths."""
    rows = [
        DoorRow(
            method=door.rule.method,
            path=door.rule.path,
            operation_id=door.operation_id or "",
            callers=door.rule.allow,
            key=door.rule.keys,
            statuses=door.rule.statuses,
            reasons=tuple(door.rule.reasons),
        )
        for door in doors_of(service)
    ]
    return sorted(rows, key=lambda row: (row.path, row.method))


def _floor_routers(service: "Service") -> list[Router]:
    """The internal routes that every service with a schema has."""
    if service.metadata is None:
        return []
    from chassis.inbox import source_router

    return [source_router(service)]


def _check(rule: Rule) -> None:
    """What a declaration may not say; found at import, so that such a service does not start."""
    where = f"{rule.method} {rule.path}"
    if rule.is_internal != (rule.allow.who == "service"):
        raise TypeError(f"{where}: internal routes take services(...), and no others do")
    if rule.keys.kind != "none" and rule.method not in WRITES:
        raise TypeError(f"{where}: only POST, PUT and PATCH take a key")
    if rule.keys.kind != "none" and rule.allow.is_anonymous and rule.keyed_by is None:
        raise TypeError(f"{where}: a key of nobody in particular needs keyed_by")
    if rule.answers is not None and rule.statuses[0] == 204:  # noqa: PLR2004  the status without a body
        raise TypeError(f"{where}: 204 answers nothing")


def _refuse_repeats(service: str, names: list[str]) -> None:
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise TypeError(f"{service}: declared twice: {sorted(repeated)}")
