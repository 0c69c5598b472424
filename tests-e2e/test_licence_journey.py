"""From a file to a place on the market, with nothing but an HTTP client (spec 12.2, 12.3; issue C, 1)."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import httpx
import pytest
from markets import Market

from packhouse.actors import Buyer, Vendor, product
from packhouse.eventually import eventually
from packhouse.files import PDF, PNG, document, picture

UPLOADED_WITHIN = 2.0
VISIBLE_WITHIN = 1.0
LOOKS_EVERY = 0.02
RUNS = [pytest.param(8, id="short"), pytest.param(50, id="long", marks=[pytest.mark.long, pytest.mark.timeout(600)])]


async def seconds_to_arrive(vendor: Vendor, kind: str, data: bytes, mime_type: str) -> tuple[str, float]:
    """The id of a new medium, and how long after its last byte it was `uploaded`."""
    signed = (await vendor.presigns(kind, len(data), mime_type, file_name="journey")).expect(200)
    (await vendor.sends(signed, data)).raise_for_status()

    async def uploaded() -> bool:
        medium = await vendor.sees_medium(signed["media_id"])
        return medium is not None and medium["status"] == "uploaded"

    return signed["media_id"], await eventually(uploaded, within=10, every=LOOKS_EVERY)


async def seconds_to_show(market: Market, buyer: Buyer, licence: Mapping[str, Any], goods: Mapping[str, Any]) -> float:
    """How long after the review's answer the goods stand in a list of the buyer."""

    async def listed() -> bool:
        return goods["id"] in {one["id"] for one in await buyer.browses(vendor_store_id=goods["vendor_store_id"])}

    assert not await listed()
    (await market.admin.verifies(licence["id"])).expect(200)
    return await eventually(listed, within=10, every=LOOKS_EVERY)


async def goes_the_way(market: Market, number: int) -> tuple[float, float]:
    """One vendor from its registration to the market; both times that are promised."""
    vendor = Vendor(market.admin.http, f"Journey {uuid4().hex[:8]} {number}")
    (await vendor.registers()).expect(200)
    granted = await market.admin.grants_standing(str(vendor.store_id), subscribed=True, verified=False)
    granted.expect(200)
    shown, first = await seconds_to_arrive(vendor, "product", picture(vendor.company_name), PNG)
    goods = (await vendor.lists(product("JOURNEY", "Journey", media_ids=[shown]))).expect(201)
    scan, second = await seconds_to_arrive(vendor, "license_doc", document(vendor.company_name), PDF)
    licence = (await vendor.adds_licence(scan, f"JOURNEY-{uuid4().hex[:8]}")).expect(201)
    assert (licence["status"], licence["media_id"]) == ("pending", scan)
    assert licence["id"] in {one["id"] for one in await market.admin.sees_licences()}
    visible = await seconds_to_show(market, market.buyers[0], licence, goods)
    store = (await vendor.get("/api/v1/stores/me")).expect(200)
    assert store["kyc_status"] == "verified"
    return max(first, second), visible


@pytest.mark.timeout(300)
@pytest.mark.parametrize("runs", RUNS)
async def test_a_file_becomes_a_licence_and_a_licence_a_place_on_the_market(market: Market, runs: int) -> None:
    took = [await goes_the_way(market, number) for number in range(runs)]

    arrived, shown = (max(times) for times in zip(*took, strict=True))
    print(f"worst of {runs}: uploaded {arrived:.2f} s after the PUT, visible {shown:.2f} s after the review")
    assert arrived < UPLOADED_WITHIN
    assert shown < VISIBLE_WITHIN


async def test_an_unverified_store_sells_and_buys_nothing_until_its_licence_is_verified(market: Market) -> None:
    goods = await market.lists(market.vendors[0], "GATED", units=5)
    buyer = Buyer(market.admin.http, f"Gated {uuid4().hex[:8]}")
    (await buyer.registers()).expect(200)
    licence = await buyer.proves_itself(f"GATED-{uuid4().hex[:8]}")

    early = await buyer.fills_cart({market.line("GATED"): 1})
    seen = await buyer.get(f"/api/v1/products/{goods['id']}")
    (await market.admin.rejects(licence["id"], "the scan cannot be read")).expect(200)
    refused = await buyer.fills_cart({market.line("GATED"): 1})
    (await buyer.removes_licence(licence["id"])).expect(200)
    better = await buyer.proves_itself(licence["number"])
    (await market.admin.verifies(better["id"])).expect(200)

    async def may_buy() -> bool:
        return (await buyer.fills_cart({market.line("GATED"): 1})).status == httpx.codes.OK

    seconds = await eventually(may_buy, within=VISIBLE_WITHIN * 2)
    assert (early.status, early.reason) == (refused.status, refused.reason) == (403, "not_verified")
    assert seen.ok, "whoever is not verified may look (spec 1.7)"
    assert seconds <= VISIBLE_WITHIN
    order = await buyer.checks_out(await market.filled_cart(buyer, {"GATED": 1}))
    assert order.status == httpx.codes.CREATED
