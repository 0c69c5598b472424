"""The gateway's own part of the merged OpenAPI document."""

from typing import Any, Final

from gateway.api.own import Sample

_ABOUT: Final = """\
The wholesale marketplace: vendors list, verified buyers fill one cart from many vendors and check out once.

Log in at `/api/v1/auth/login` and send the access token of `X-PF-Token` as a bearer; it lives for 15 minutes. Successes
are `{"data": ...}`, failures `{"error": {"code", "reason", "message", "request_id"}}`: programs branch on `code` and
`reason`. Amounts are integer cents, times RFC 3339 UTC, ids UUIDs. A write repeated with its `Idempotency-Key` has one
effect and one answer. What the services tell each other stands in [events](/docs/events)."""

_ERROR: Final = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "request_id"],
            "properties": {
                "code": {"type": "string"},
                "reason": {"type": "string"},
                "message": {"type": "string"},
                "details": {"type": "object"},
                "request_id": {"type": "string"},
            },
        }
    },
}


def _answer(scope: str, *more: str) -> dict[str, Any]:
    """A 200 whose data holds the scope and further texts."""
    properties: dict[str, Any] = {"scope": {"const": scope}, **{name: {"type": "string"} for name in more}}
    data = {"type": "object", "required": list(properties), "properties": properties}
    schema = {"type": "object", "required": ["data"], "properties": {"data": data}}
    return {"description": "Successful Response", "content": {"application/json": {"schema": schema}}}


def _refused(*statuses: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Error"}
    content = {"application/json": {"schema": schema}}
    return {status: {"description": "Refused", "content": content} for status in statuses}


def _ping(operation: str, answer: dict[str, Any], *, who: str, refused: tuple[str, ...] = ()) -> dict[str, Any]:
    security: list[dict[str, list[str]]] = [] if who == "anyone" else [{"bearer": []}]
    return {
        "operationId": operation,
        "tags": ["gateway"],
        "security": security,
        "x-callers": who,
        "responses": {"200": answer, **_refused(*refused)},
    }


_VALIDATE: Final[dict[str, Any]] = {
    "operationId": "public_validate",
    "tags": ["gateway"],
    "security": [],
    "x-callers": "anyone",
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Sample"}}},
    },
    "responses": {"200": {"description": "The body, checked", "content": {"application/json": {}}}, **_refused("400")},
}

OWN_REFERENCE: Final[dict[str, Any]] = {
    "openapi": "3.1.0",
    "info": {"title": "Packhouse", "version": "1", "description": _ABOUT},
    "paths": {
        "/api/public/ping": {"get": _ping("public_ping", _answer("public", "status"), who="anyone")},
        "/api/public/validate": {"post": _VALIDATE},
        "/api/v1/ping": {"get": _ping("ping", _answer("api", "status"), who="signed in", refused=("401",))},
        "/api/ping": {
            "get": _ping("store_ping", _answer("store", "store_id"), who="signed in", refused=("401", "403"))
        },
        "/api/v1/admin/ping": {
            "get": _ping("admin_ping", _answer("admin", "status"), who="admin", refused=("401", "403"))
        },
    },
    "components": {
        "schemas": {"Error": _ERROR, "Sample": Sample.model_json_schema()},
        "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
    },
}
