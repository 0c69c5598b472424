"""The reference of the API and the page of events: they work from here alone."""

import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest
from gateway_house import House

from contracts.asyncapi import asyncapi
from gateway.api.own_reference import OWN_REFERENCE
from gateway.clients.reference import merged
from gateway.domain.event_page import Field, event_page

PAGES = ("/docs", "/docs/events")
OPENAPI = Path(__file__).parents[3] / "docs" / "contracts" / "openapi"


def policy(page: httpx.Response) -> dict[str, list[str]]:
    """The content security policy: what each directive allows."""
    rules = [rule.split() for rule in page.headers["content-security-policy"].split(";")]
    return {name: sources for name, *sources in rules}


def addresses(page: httpx.Response) -> set[str]:
    """Everything the page loads or leads to, fragments aside."""
    found = re.findall(r'(?:src|href)="([^"#]*)', page.text)
    return {unescape(one) for one in found if one and one != "data:,"}


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_leads_to_paths_of_ours_that_answer(shared_house: House, path: str) -> None:
    page = await shared_house.get(path)

    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    found = addresses(page)
    assert len(found) > 3
    for address in found:
        assert address.startswith("/"), address
        assert (await shared_house.get(address)).status_code == 200, address


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_may_load_nothing_from_another_host(shared_house: House, path: str) -> None:
    allowed = policy(await shared_house.get(path))

    assert allowed["default-src"] == allowed["frame-ancestors"] == allowed["base-uri"] == ["'none'"]
    sources = {source for one in allowed.values() for source in one}
    assert sources <= {"'none'", "'self'", "'unsafe-inline'", "data:"}
    assert "'unsafe-inline'" not in allowed.get("script-src", [])


async def test_the_page_of_events_runs_no_script(shared_house: House) -> None:
    page = await shared_house.get("/docs/events")

    assert "script-src" not in policy(page)
    assert "<script" not in page.text


async def test_assets_are_kept_for_good_under_a_path_that_changes_with_them(shared_house: House) -> None:
    page = await shared_house.get("/docs")
    scripts = {one for one in addresses(page) if one.endswith(".js")}

    texts = [await shared_house.get(one) for one in scripts]

    assert all(one.headers["cache-control"].endswith("immutable") for one in texts)
    assert all(one.headers["content-type"] == "text/javascript" for one in texts)
    assert any("createApiReference" in one.text and len(one.text) > 1_000_000 for one in texts), "Scalar, unpacked"
    assert page.headers["cache-control"] == "no-cache"


async def test_pages_are_read_only_and_nothing_else_stands_there(shared_house: House) -> None:
    assert (await shared_house.client.post("/docs")).status_code == 405
    assert (await shared_house.client.head("/docs")).status_code == 200
    for path in ("/docs/", "/docs/assets/scalar.js", "/docs/other"):
        assert (await shared_house.get(path)).status_code == 404, path


async def test_every_event_of_the_document_stands_on_the_page(shared_house: House) -> None:
    page, raw = await shared_house.get("/docs/events"), await shared_house.get("/docs/events.json")

    assert raw.json() == asyncapi()
    assert raw.json()["channels"]
    for topic, channel in raw.json()["channels"].items():
        assert f'id="{topic}"' in page.text
        assert channel["address"] in page.text


def test_the_whole_reference_refers_to_nothing_that_is_not_there() -> None:
    documents = {path.stem: json.loads(path.read_text()) for path in OPENAPI.glob("*.json")}
    assert len(documents) >= 3

    whole = merged(OWN_REFERENCE, documents, [])

    wanted = set(references(whole))
    assert any("/responses/" in one for one in wanted)
    assert not [one for one in wanted if not is_there(whole, one)]


def references(part: Any) -> Iterator[str]:
    """Every `$ref` below."""
    if isinstance(part, dict):
        for name, value in part.items():
            if name == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(part, list):
        for one in part:
            yield from references(one)


def is_there(document: Any, reference: str) -> bool:
    for step in reference.removeprefix("#/").split("/"):
        if step not in document:
            return False
        document = document[step]
    return True


def test_fields_are_told_with_those_of_the_objects_they_hold() -> None:
    line = {"type": "object", "required": ["qty"], "properties": {"qty": {"type": "integer", "minimum": 1}}}
    node = {
        "type": "object",
        "properties": {"inner": {"anyOf": [{"$ref": "#/components/schemas/Node"}, {"type": "null"}]}},
    }
    payload = {
        "type": "object",
        "required": ["id", "lines"],
        "properties": {
            "id": {"type": "string", "format": "uuid"},
            "lines": {"type": "array", "items": {"$ref": "#/components/schemas/Line"}},
            "node": {"$ref": "#/components/schemas/Node"},
            "place": {
                "type": "object",
                "properties": {"at": {"type": "object", "properties": {"lat": {"type": "number"}}}},
            },
            "word": {"anyOf": [{"enum": ["a", "b"]}, {"type": "null"}], "description": "one of two"},
        },
    }
    page = event_page(document_of({"Payload": payload, "Line": line, "Node": node}))

    assert page.services["shop"][0].fields == (
        Field("id", 0, "uuid", "", is_optional=False),
        Field("lines", 0, "list of Line", "", is_optional=False),
        Field("qty", 1, "integer", "≥ 1", is_optional=False),
        Field("node", 0, "Node", "", is_optional=True),
        Field("inner", 1, "Node", "", is_optional=True),
        Field("place", 0, "object", "", is_optional=True),
        Field("at", 1, "object", "", is_optional=True),
        Field("lat", 2, "number", "", is_optional=True),
        Field("word", 0, "a | b", "one of two", is_optional=True),
    )


def document_of(schemas: dict[str, Any]) -> dict[str, Any]:
    """An AsyncAPI document with one event."""
    channel = {
        "address": "shop.sale.sold.v1",
        "title": "Sold",
        "bindings": {"amqp": {"exchange": {"name": "events"}}},
        "x-producer": "shop",
        "x-consumers": [],
        "x-awaited": [],
        "x-aggregate": {"type": "sale", "key": "id"},
        "x-snapshot": False,
    }
    data = {"properties": {"data": {"$ref": "#/components/schemas/Payload"}}}
    return {
        "info": {"description": ""},
        "defaultContentType": "application/json",
        "channels": {"shop.sold.v1": channel},
        "components": {
            "messages": {"shop.sold.v1": {"payload": {"allOf": [{}, data]}}},
            "schemas": {"CloudEvent": {}, **schemas},
        },
    }
