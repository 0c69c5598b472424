"""Pictures without a public address, and certificates: read by URLs that media signs, or not at all (spec 1.10)."""

import asyncio
from typing import Any
from uuid import UUID

from contracts.media import MediaChanged

PRODUCTS = "/api/v1/vendor/products"


async def private_product(market: Any, vendor: Any, **changes: Any) -> dict[str, Any]:
    """A product with a public picture, a private one and a certificate, all of which media can sign."""
    public = await vendor.uploads_one()
    private = await vendor.uploads_one(public_url=None)
    paper = await vendor.uploads_one("coa")
    market.media.media.update(vendor.uploads)
    pictures = [str(public), str(private)]
    return dict(await vendor.lists(media_ids=pictures, coa_media_id=str(paper), **changes))


def urls(detail: dict[str, Any]) -> list[str | None]:
    return [*(picture["url"] for picture in detail["media"]), detail["coa_read_url"]]


async def test_a_detail_has_urls_for_all_it_shows_and_says_the_rest_unchanged(market: Any) -> None:
    vendor, buyer = await market.vendor(), await market.buyer()
    product = await private_product(market, vendor, thc_percent=22.5, title="Grün")

    details = [
        (await who.owner.get(path)).json()["data"]
        for who, path in ((vendor, f"{PRODUCTS}/{product['id']}"), (buyer, f"/api/v1/products/{product['id']}"))
    ]

    public, private = [picture["media_id"] for picture in product["media"]]
    signed = [f"https://signed.test/{media_id}" for media_id in (private, product["coa_media_id"])]
    for detail in details:
        assert urls(detail) == [f"https://public.test/{public}", *signed]
        assert (detail["title"], detail["thc_percent"], detail["coa_added"]) == ("Grün", 22.5, True)


async def test_without_media_a_detail_goes_without_signed_urls(market: Any) -> None:
    vendor, buyer = await market.vendor(), await market.buyer()
    product = await private_product(market, vendor)
    market.media.away = True

    answer = await buyer.owner.get(f"/api/v1/products/{product['id']}")

    assert answer.status_code == 200
    assert urls(answer.json()["data"]) == [product["media"][0]["url"], None, None]


async def test_lists_and_answers_to_writes_show_public_pictures_only(market: Any) -> None:
    vendor, buyer = await market.vendor(), await market.buyer()
    hidden = await vendor.uploads_one(public_url=None)
    market.media.media.update(vendor.uploads)
    product = await vendor.lists(media_ids=[str(hidden)])

    (listed,) = (await buyer.browses()).json()["data"]["products"]

    assert (urls(product), product["thumbnail_url"], listed["thumbnail_url"]) == ([None, None], None, None)


async def test_a_thumbnail_is_the_first_image_and_not_a_film(market: Any) -> None:
    vendor = await market.vendor()
    film, image = await vendor.uploads_one(mime_type="video/mp4"), await vendor.uploads_one()

    product = await vendor.lists(media_ids=[str(film), str(image)])

    assert product["thumbnail_url"] == f"https://public.test/{image}"


async def test_a_picture_that_moves_is_shown_where_it_is(market: Any) -> None:
    vendor = await market.vendor()
    product = await vendor.lists()
    picture = product["media"][0]["media_id"]

    await vendor.medium_becomes(picture, status="ready", public_url="https://cdn.test/1")

    moved = (await vendor.owner.get(f"{PRODUCTS}/{product['id']}")).json()["data"]
    assert (moved["thumbnail_url"], moved["media"][0]["url"]) == ("https://cdn.test/1", "https://cdn.test/1")


async def test_projection_of_media_ignores_older_version(market: Any) -> None:
    vendor = await market.vendor()
    product = await vendor.lists()
    picture = UUID(product["media"][0]["media_id"])
    stale = vendor.uploads[picture].model_copy(update={"version": 1, "status": "deleted", "deleted": True})

    await market.world.hears(stale)

    assert len((await vendor.owner.get(f"{PRODUCTS}/{product['id']}")).json()["data"]["media"]) == 1


GUARDED = "select pg_advisory_xact_lock(hashtextextended($1, 0))"


async def collide(market: Any, vendor: Any, *, deleted_first: bool) -> tuple[Any, UUID]:
    """A product is made with a picture while the inbox hears that it is deleted: both wait, and one goes first."""
    picture = await vendor.uploads_one()
    offered = await vendor.offer(media_ids=[str(picture)])
    gone: MediaChanged = vendor.uploads[picture].model_copy(update={"version": 3, "status": "deleted", "deleted": True})
    market.media.media[picture] = gone

    async def lists() -> Any:
        return await vendor.owner.post(PRODUCTS, offered)

    async def hears() -> None:
        await market.world.hears(gone)

    steps = [hears, lists] if deleted_first else [lists, hears]
    async with market.world.collision(GUARDED, str(picture), waiting=2) as arrived:
        first = asyncio.create_task(steps[0]())
        await arrived(1)
        second = asyncio.create_task(steps[1]())
    answers = await asyncio.gather(first, second)
    return answers[1 if deleted_first else 0], picture


async def test_a_picture_deleted_while_it_is_attached_is_shown_by_nothing(market: Any) -> None:
    vendor = await market.vendor()

    attached_first, _ = await collide(market, vendor, deleted_first=False)
    deleted_first, _ = await collide(market, vendor, deleted_first=True)

    assert (attached_first.status_code, deleted_first.status_code) == (201, 400)
    assert await market.rows("select 1 from product_media") == []
    assert [row["is_active"] for row in await market.rows("select is_active from products")] == [False]


async def test_galleries_change_while_their_pictures_are_deleted_and_nobody_waits_for_another(market: Any) -> None:
    vendor = await market.vendor()
    pictures = [await vendor.uploads_one() for _ in range(4)]
    goods = [await vendor.lists(media_ids=[str(picture) for picture in pictures]) for _ in range(3)]
    more = [await vendor.uploads_one() for _ in range(3)]
    gone = [
        vendor.uploads[picture].model_copy(update={"version": 3, "status": "deleted", "deleted": True})
        for picture in (*pictures[:2], more[0])
    ]
    hidden, back = [
        vendor.snapshot.model_copy(update={"version": version, "subscription_override": override})
        for version, override in ((2, None), (3, "active"))
    ]

    answers = await asyncio.gather(
        market.hears_at_once(gone[0], hidden, gone[1], back, gone[2]),
        *(
            vendor.owner.post(f"{PRODUCTS}/{product['id']}/media", {"media_id": str(picture), "position": 0})
            for product in goods
            for picture in more
        ),
        *(vendor.owner.delete(f"{PRODUCTS}/{product['id']}/media/{pictures[3]}") for product in goods),
        *(vendor.lists(media_ids=[str(more[1]), str(pictures[2])]) for _ in range(3)),
    )

    assert {answer.status_code for answer in answers[1:13]} <= {201, 204, 400, 404}
    shown = await market.rows("select media_id, position from product_media order by product_id, position")
    assert not {row["media_id"] for row in shown} & {event.media_id for event in gone}
    assert await market.rows("select 1 from product_media group by product_id having max(position) >= count(*)") == []
