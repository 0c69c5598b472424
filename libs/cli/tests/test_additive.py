"""Contracts only grow: what was there stays, with its type, and nothing becomes required."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chassis.manifest import load
from packhouse.environment import installed_services
from packhouse.generate import contracts
from packhouse.generate.additive import BASE_VARIABLE, compare, losses

ROOT = Path(__file__).parents[3]
POST = "POST /api/v1/cart"
EVENT: dict[str, Any] = {
    "title": "OrderCreated",
    "type": "object",
    "required": ["order_id"],
    "properties": {
        "order_id": {"type": "string", "format": "uuid"},
        "status": {"type": "string", "enum": ["created_pending", "accepted"]},
        "notes": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "items": {"type": "array", "items": {"$ref": "#/$defs/Item"}},
    },
    "$defs": {"Item": {"type": "object", "properties": {"qty": {"type": "integer"}}}},
}


def _json(name: str) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}}


API: dict[str, Any] = {
    "openapi": "3.1.0",
    "paths": {
        "/api/v1/cart": {
            "post": {
                "parameters": [{"in": "query", "name": "limit", "schema": {"type": "integer"}}],
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Upsert"}}}},
                "responses": {
                    "200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Cart"}}}}
                },
            }
        }
    },
    "components": {
        "schemas": {
            "Upsert": {"type": "object", "required": [], "properties": {"qty": {"type": "integer"}}},
            "Cart": {"type": "object", "properties": {"id": {"type": "string"}}},
        }
    },
}


def _changed(document: dict[str, Any], change: Callable[[dict[str, Any]], object]) -> list[str]:
    after = copy.deepcopy(document)
    change(after)
    return compare(document, after)


@pytest.mark.parametrize(
    ("change", "loss"),
    [
        (lambda now: now["properties"].pop("notes"), "notes is gone"),
        (lambda now: now["properties"]["order_id"].pop("format"), "order_id was string (uuid) and is string"),
        (lambda now: now["required"].append("status"), "status is newly required"),
        (lambda now: now["properties"]["status"]["enum"].pop(), "status has lost the values ['accepted']"),
        (lambda now: now["properties"]["notes"]["anyOf"].pop(), "notes was null or string and is string"),
        (lambda now: now["$defs"]["Item"]["properties"].pop("qty"), "Item.qty is gone"),
        (lambda now: now["properties"]["items"].update(items={"type": "string"}), "items[] was Item and is string"),
    ],
)
def test_a_loss_in_an_event_is_seen(change: Callable[[dict[str, Any]], object], loss: str) -> None:
    assert _changed(EVENT, change) == [loss]


@pytest.mark.parametrize(
    ("change", "loss"),
    [
        (lambda now: now["paths"].clear(), f"{POST} is gone"),
        (lambda now: _post(now)["parameters"].clear(), f"{POST}: parameter limit is gone"),
        (
            lambda now: _post(now)["parameters"][0].update(required=True),
            f"{POST}: parameter limit is newly required",
        ),
        (lambda now: _post(now)["responses"].clear(), f"{POST}: answer 200 is gone"),
        (lambda now: _schema(now, "Upsert")["required"].append("qty"), "Upsert.qty is newly required"),
        (lambda now: _schema(now, "Cart")["properties"].clear(), "Cart.id is gone"),
    ],
)
def test_a_loss_in_an_api_is_seen(change: Callable[[dict[str, Any]], object], loss: str) -> None:
    assert _changed(API, change) == [loss]


@pytest.mark.parametrize(
    "change",
    [
        lambda now: now["properties"].update(tip={"type": "integer"}),
        lambda now: now["properties"]["status"]["enum"].append("closed"),
        lambda now: now["required"].clear(),
        lambda now: now.update(title="Renamed"),
    ],
)
def test_growth_is_no_loss(change: Callable[[dict[str, Any]], object]) -> None:
    assert _changed(EVENT, change) == []


def test_a_further_route_and_an_optional_field_are_no_loss() -> None:
    def grow(now: dict[str, Any]) -> None:
        now["paths"]["/api/v1/orders"] = {"get": {"responses": {}}}
        _schema(now, "Upsert")["properties"]["note"] = {"type": "string"}

    assert _changed(API, grow) == []


def test_wire_schemas_only_grow() -> None:
    """What the manifests make now against what was committed last, as `packhouse generate --check` does."""
    made = contracts.documents([load(name) for name in installed_services()])
    assert losses(ROOT, made) == []


def test_what_the_committed_contracts_lose_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(BASE_VARIABLE, raising=False)
    made = contracts.documents([load(name) for name in installed_services()])
    gone, smaller = (
        contracts.FOLDER / "events" / f"orders.{name}.v1.json" for name in ("order_decided", "order_created")
    )
    del made[gone]
    shrunk = json.loads(made[smaller])
    del shrunk["properties"]["cart_id"]
    made[smaller] = json.dumps(shrunk)

    assert {f"{smaller}: cart_id is gone", f"{gone}: is gone"} <= set(losses(ROOT, made))


def _post(document: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = document["paths"]["/api/v1/cart"]["post"]
    return operation


def _schema(document: dict[str, Any], name: str) -> dict[str, Any]:
    schema: dict[str, Any] = document["components"]["schemas"][name]
    return schema
