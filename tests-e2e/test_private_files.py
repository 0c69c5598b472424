"""Scans, certificates and manifests are read with an address signed for the owner or an admin, while it lives."""

from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx
import pytest
from markets import Market
from objects import ObjectStore
from operations import all_operations

from packhouse.actors import Member, Visitor
from packhouse.files import PDF, PNG, document, picture
from packhouse.stack import Stack

LIVES = timedelta(minutes=15)
A_MOMENT = timedelta(seconds=20)
PRIVATE = ("license_doc", "coa", "manifest", "pdf", "other")
READS = [one for one in all_operations() if one.method == "GET" and not (one.is_internal or one.ids)]


@pytest.fixture
async def plain() -> AsyncIterator[httpx.AsyncClient]:
    """Somebody who has an address and nothing else."""
    async with httpx.AsyncClient(timeout=30) as http:
        yield http


async def seen(member: Member, media_id: str) -> Mapping[str, Any]:
    medium = await member.sees_medium(media_id)
    assert medium is not None
    return medium


async def signed_scan(member: Member) -> str:
    """A signed address of a licence scan."""
    scan = await member.uploads("license_doc", document(member.company_name), PDF)
    return str((await seen(member, scan))["signed_url"])


def credentials(*people: Visitor) -> Iterator[dict[str, str]]:
    """None, a made-up one, and the tokens of these people: the store knows none of them."""
    yield {}
    yield {"Authorization": "Bearer x"}
    yield from ({"Authorization": f"Bearer {person.token}"} for person in people)


async def test_no_private_file_is_read_without_a_signed_address(
    stack: Stack, market: Market, plain: httpx.AsyncClient
) -> None:
    vendor, objects = market.vendors[0], ObjectStore.of(stack)
    pages = {kind: document(vendor.company_name, kind) for kind in PRIVATE}
    media = {kind: await vendor.uploads(kind, page, PDF) for kind, page in pages.items()}
    read = 0
    for kind, page in pages.items():
        medium = await seen(vendor, media[kind])
        for address in objects.addresses(f"{vendor.store_id}/{kind}/{media[kind]}.pdf"):
            for headers in credentials(vendor, market.admin, market.buyers[0]):
                answer = await plain.get(address, headers=headers)
                assert answer.status_code in {400, 401, 403, 404}, f"{kind} {address}: {answer.status_code}"
                assert page not in answer.content
                read += 1
        assert (await plain.get(medium["signed_url"])).content == page
        assert not medium.get("public_url")
    print(f"{read} requests without a signed address, 0 read")


async def test_a_picture_of_a_product_is_served_as_what_it_is(market: Market, plain: httpx.AsyncClient) -> None:
    """Buyers see it with the address that the product shows."""
    vendor, shown = market.vendors[0], picture("shown")
    goods = await market.lists(vendor, "SHOWN", units=1, media_ids=[await vendor.uploads("product", shown, PNG)])
    detail = (await market.buyers[0].get(f"/api/v1/products/{goods['id']}")).expect(200)
    answer = await plain.get(detail["media"][0]["url"])
    assert (answer.status_code, answer.content, answer.headers["Content-Type"]) == (200, shown, PNG)


async def test_a_file_that_is_no_picture_is_handed_over_and_not_shown(market: Market, plain: httpx.AsyncClient) -> None:
    answer = await plain.get(await signed_scan(market.vendors[0]))
    assert answer.headers["Content-Type"] == PDF
    assert answer.headers["Content-Disposition"].startswith("attachment")


async def test_nobody_but_the_owner_and_an_admin_is_given_an_address(market: Market, plain: httpx.AsyncClient) -> None:
    vendor, page = market.vendors[0], document("mine")
    scan = await vendor.uploads("license_doc", page, PDF)
    licence = (await vendor.adds_licence(scan, f"MINE-{uuid4().hex[:8]}")).expect(201)
    strangers: list[Visitor] = [market.vendors[1], *market.buyers, Visitor(vendor.http)]

    for stranger in strangers:
        for operation in READS:
            answer = await stranger.get(operation.path, state="OK", limit=100)
            assert scan not in str(answer.data), f"{operation.name} tells a stranger of the scan"
    own = [one for one in (await vendor.get("/api/v1/licenses")).expect(200)["items"] if one["id"] == licence["id"]]
    queue = [one for one in await market.admin.sees_licences() if one["id"] == licence["id"]]
    for told in (*own, *queue):
        assert (await plain.get(told["signed_url"])).content == page
    assert (len(own), len(queue)) == (1, 1)


async def test_a_signed_address_opens_one_object_for_reading_only(market: Market, plain: httpx.AsyncClient) -> None:
    vendor = market.vendors[0]
    url, other = await signed_scan(vendor), urlsplit(await signed_scan(vendor))
    parts = urlsplit(url)
    bent = {
        "of another object": parts._replace(path=other.path).geturl(),
        "of another bucket": parts._replace(path=parts.path.replace("private", "public")).geturl(),
        "with another signature": parts._replace(query=other.query).geturl(),
        "that lives longer": url.replace("X-Goog-Expires=900", "X-Goog-Expires=90000"),
        "of another day": url.replace("X-Goog-Date=2", "X-Goog-Date=3"),
        "shown and not handed over": url.replace("attachment", "inline"),
    }

    answers = {name: await plain.get(address) for name, address in bent.items()}
    answers |= {method: await plain.request(method, url) for method in ("PUT", "POST", "DELETE", "PATCH")}

    assert {name: one.status_code for name, one in answers.items() if not 400 <= one.status_code < 500} == {}
    assert (await plain.get(url)).status_code == 200
    assert int(parse_qs(parts.query)["X-Goog-Expires"][0]) <= LIVES.total_seconds()


async def test_a_signed_address_dies_when_its_minutes_are_up(
    stack: Stack, market: Market, plain: httpx.AsyncClient
) -> None:
    """To read and to write. The store's clock is turned; the addresses were made by the services as always."""
    vendor = market.vendors[0]
    read = await signed_scan(vendor)
    write = (await vendor.presigns("product", 100, PNG, file_name="late.png")).expect(200)

    with stack.servers.storage.turned(LIVES - A_MOMENT):
        living = await plain.get(read)
    with stack.servers.storage.turned(LIVES + A_MOMENT):
        dead = await plain.get(read)
        late = await vendor.sends(write, bytes(100))

    assert living.status_code == 200
    assert (dead.status_code, late.status_code) == (400, 400)
    assert "ExpiredToken" in dead.text
    assert "ExpiredToken" in late.text
    assert (await plain.get(read)).status_code == 200
