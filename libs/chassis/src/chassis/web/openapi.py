"""The reference of a service: what each door declares, as OpenAPI (spec 1.1, 1.5, 1.7)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, ConfigDict, create_model

from chassis.answer import STATUS
from chassis.web.keys import HEADER
from kernel.refusal import Code

if TYPE_CHECKING:
    from chassis.web.doors import Door, Rule

T = TypeVar("T")
_NO_CONTENT: Final = 204
_DESCRIPTIONS: Final = {200: "Done", 201: "Created", 202: "Accepted", 204: "Done, nothing to tell"}
_DROPPED: Final = ("HTTPValidationError", "ValidationError")


class Envelope(BaseModel, Generic[T]):
    """Every success that has a body."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    data: T


class Pagination(BaseModel):
    """`next` is the cursor of the following page; `total` is there when it was asked for."""

    next: str | None
    total: int | None = None


class ErrorBody(BaseModel):
    """Programs may branch on `code` and `reason` only."""

    code: Code
    reason: str | None = None
    message: str
    details: dict[str, Any] | None = None
    request_id: str


class ErrorEnvelope(BaseModel):
    """Every failure."""

    error: ErrorBody


def page_of(name: str, item: Any) -> type[BaseModel]:
    """The model of a list's `data`: `{<name>: [item], "pagination": {...}}`; for `answers=`."""
    kind = getattr(item, "__name__", "Item")
    fields: dict[str, Any] = {name: (list[item], ...), "pagination": (Pagination, ...)}
    return create_model(f"{kind}Page", **fields)


def documented(rule: "Rule") -> dict[str, Any]:
    """What FastAPI needs to document a door's successes."""
    responses: dict[int | str, dict[str, Any]] = {}
    for status in rule.statuses:
        responses[status] = {"description": _DESCRIPTIONS.get(status, "Done")}
        if rule.allow.who == "open":  # key sets are read by everybody's libraries, which know no envelope (spec 1.1)
            responses[status]["model"] = rule.answers
        elif status != _NO_CONTENT:
            responses[status]["model"] = Envelope[rule.answers or Any]  # type: ignore[misc]
    return {"status_code": rule.statuses[0], "responses": responses}


def document(*, title: str, version: str, doors: Sequence["Door"]) -> dict[str, Any]:
    """The OpenAPI document of these doors. The same doors always give the same document."""
    in_order = sorted(doors, key=lambda door: (door.rule.path, door.rule.method))
    made = get_openapi(
        title=title,
        version=version,
        description="Amounts are integer cents, times RFC 3339 UTC, ids UUIDs. Programs branch on `code` and `reason`.",
        routes=list(in_order),
    )
    for door in doors:
        _add_declaration(made["paths"][door.path_format][door.rule.method.lower()], door.rule)
    components = made.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in _DROPPED:
        schemas.pop(name, None)
    schemas.update(_error_schemas())
    components["schemas"] = dict(sorted(schemas.items()))
    components["responses"] = {_error_name(status): _error_response(status) for status in sorted(set(STATUS.values()))}
    components["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "Access token of a user."},
        "service": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "Token of a service."},
    }
    return made


def _add_declaration(operation: dict[str, Any], rule: "Rule") -> None:
    """Callers, key policy, reasons and failures of one operation."""
    operation["x-packhouse-allow"] = rule.allow.described()
    operation["x-packhouse-key"] = rule.keys.described()
    if rule.reasons:
        operation["x-packhouse-reasons"] = sorted(rule.reasons)
    if not rule.allow.is_anonymous:
        operation["security"] = [{"service" if rule.is_internal else "bearer": []}]
    if rule.keys.kind != "none":
        operation.setdefault("parameters", []).append(_key_parameter(required=rule.keys.kind == "required"))
    failures = (400, 401, 403, 404, 405, 409, 413, 422, 429, 500, 503)
    operation["responses"] = {
        **{code: told for code, told in operation["responses"].items() if int(code) < 400},  # noqa: PLR2004  successes
        **{str(status): {"$ref": f"#/components/responses/{_error_name(status)}"} for status in failures},
    }


def _key_parameter(*, required: bool) -> dict[str, Any]:
    return {
        "name": HEADER,
        "in": "header",
        "required": required,
        "description": "The same key with the same body has one effect and one answer.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[\\x20-\\x7e]+$"},
    }


def _error_schemas() -> dict[str, Any]:
    schema = ErrorEnvelope.model_json_schema(ref_template="#/components/schemas/{model}")
    return {**schema.pop("$defs"), "ErrorEnvelope": schema}


def _error_name(status: int) -> str:
    return f"Failure{status}"


def _error_response(status: int) -> dict[str, Any]:
    codes = " or ".join(code.value for code, known in STATUS.items() if known == status)
    return {
        "description": codes,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorEnvelope"}}},
    }
