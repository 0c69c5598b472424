"""Pictures and certificates of products, through the doors and as media tells of them (spec 4.2, 4.5, 12.3, 12.4)."""

from typing import Any
from uuid import UUID, uuid4

from contracts.catalog import CatalogMediaAttached, CatalogMediaDetached, ProductChanged

PRODUCTS = "/api/v1/vendor/products"


async def gallery(vendor: Any, product: Any) -> list[str]:
    """The media of a product in the order they are shown."""
    shown = (await vendor.owner.get(f"{PRODUCTS}/{product['id']}")).json()["data"]["media"]
    assert [picture["position"] for picture in shown] == list(range(len(shown)))
    return [picture["media_id"] for picture in shown]


async def said(market: Any) -> list[tuple[str, str]]:
    """Every use that began or ended, as (entity type, medium), those that began first."""
    attached = await market.world.emitted(CatalogMediaAttached)
    detached = await market.world.emitted(CatalogMediaDetached)
    begun = {event.attachment_id: (event.entity_type, event.media_id, event.entity_id) for event in attached}
    assert all(begun[event.attachment_id] == (event.entity_type, event.media_id, event.entity_id) for event in detached)
    return [(event.entity_type, str(event.media_id)) for event in detached]


async def test_a_product_shows_its_pictures_in_the_order_they_were_named(market: Any) -> None:
    vendor, buyer = await market.vendor(), await market.buyer()
    pictures = [str(await vendor.uploads_one()) for _ in range(3)]

    product = await vendor.lists(media_ids=pictures)

    assert await gallery(vendor, product) == pictures
    assert product["thumbnail_url"] == product["media"][0]["url"] == f"https://public.test/{pictures[0]}"
    assert product["media"][0]["gcs_key"] == f"{vendor.store_id}/product/{pictures[0]}"
    (found,) = (await buyer.browses()).json()["data"]["products"]
    assert found["thumbnail_url"] == product["thumbnail_url"]
    (changed,) = await market.world.emitted(ProductChanged)
    assert (changed.version, changed.thumbnail_url) == (1, product["thumbnail_url"])


async def test_each_use_is_told_to_media_under_an_id_of_its_own(market: Any) -> None:
    vendor = await market.vendor()
    picture, paper = await vendor.uploads_one(), await vendor.uploads_one("coa")

    product = await vendor.lists(media_ids=[str(picture)], coa_media_id=str(paper))

    shown, held = await market.world.emitted(CatalogMediaAttached)
    if shown.entity_type == "product_coa":
        shown, held = held, shown
    assert (shown.entity_type, shown.media_id, str(shown.attachment_id)) == (
        "product_gallery", picture, product["media"][0]["id"],
    )  # fmt: skip
    assert (held.entity_type, held.media_id) == ("product_coa", paper)
    assert {shown.store_id, held.store_id} == {vendor.store_id}
    assert {str(shown.entity_id), str(held.entity_id)} == {product["id"]}


async def test_media_rules_table(market: Any) -> None:
    """Own, of the kind, uploaded or ready, once: everything else is a 400 that names the field."""
    vendor, other = await market.vendor(), await market.vendor()
    product = await vendor.lists()
    own = {status: await vendor.uploads_one(status=status) for status in STATUSES}
    papers = {status: await vendor.uploads_one("coa", status=status) for status in STATUSES}
    own |= {"foreign": await other.uploads_one(), "unknown": uuid4(), "kind": papers["ready"]}
    own |= {"deleted": await vendor.uploads_one(status="deleted", deleted=True)}
    papers |= {"foreign": await other.uploads_one("coa"), "unknown": uuid4(), "kind": own["ready"]}
    for case in own:
        usable = case in {"uploaded", "ready"}

        created = await vendor.owner.post(PRODUCTS, await vendor.offer(media_ids=[str(own[case])]))
        added = await vendor.owner.post(f"{PRODUCTS}/{product['id']}/media", {"media_id": str(own[case])})

        assert verdict(created, "media_ids") == (201 if usable else 400), case
        assert verdict(added, "media_id") == (201 if usable else 400), case
    for case, paper in papers.items():
        usable = case in {"uploaded", "ready"}

        created = await vendor.owner.post(PRODUCTS, await vendor.offer(coa_media_id=str(paper)))
        changed = await vendor.owner.patch(f"{PRODUCTS}/{product['id']}", {"coa_media_id": str(paper)})

        assert verdict(created, "coa_media_id") == (201 if usable else 400), case
        assert verdict(changed, "coa_media_id") == (200 if usable else 400), case


STATUSES = ("pending", "uploaded", "processing", "ready", "failed", "delete_requested", "delete_failed")


def verdict(answer: Any, field: str) -> int:
    """The status; a refusal names this field and nothing else."""
    assert answer.status_code < 300 or list(answer.json()["error"]["details"]) == [field], answer.text
    status: int = answer.status_code
    return status


async def test_a_picture_named_twice_or_beyond_twenty_is_refused(market: Any) -> None:
    vendor = await market.vendor()
    pictures = [str(await vendor.uploads_one()) for _ in range(21)]
    full = await vendor.lists(media_ids=pictures[:20])
    add = f"{PRODUCTS}/{full['id']}/media"

    answers = [
        await vendor.owner.post(PRODUCTS, await vendor.offer(media_ids=pictures[:1] * 2)),
        await vendor.owner.post(PRODUCTS, await vendor.offer(media_ids=pictures)),
        await vendor.owner.post(add, {"media_id": pictures[3]}),
        await vendor.owner.post(add, {"media_id": pictures[20]}),
    ]

    assert [list(answer.json()["error"]["details"]) for answer in answers] == [["media_ids"]] * 2 + [["media_id"]] * 2
    assert await gallery(vendor, full) == pictures[:20]


async def test_another_stores_medium_is_refused_in_the_words_of_none(market: Any) -> None:
    vendor, other = await market.vendor(), await market.vendor()
    foreign = await other.uploads_one()

    answers = [
        await vendor.owner.post(PRODUCTS, await vendor.offer(media_ids=[str(media_id)]))
        for media_id in (foreign, uuid4())
    ]

    assert answers[0].json()["error"]["details"] == answers[1].json()["error"]["details"]
    assert len(market.media.asked) == 2, "the one is asked about as the other is"


async def test_media_is_asked_before_a_medium_is_refused_and_its_answer_counts(market: Any) -> None:
    vendor = await market.vendor()
    unheard = await vendor.uploads_one(told=False)
    pending = await vendor.uploads_one(status="pending")
    market.media.media[unheard] = vendor.uploads[unheard]
    market.media.media[pending] = vendor.uploads[pending].model_copy(update={"version": 3, "status": "uploaded"})

    product = await vendor.lists(media_ids=[str(unheard), str(pending)])

    assert await gallery(vendor, product) == [str(unheard), str(pending)]
    assert sorted(market.media.asked) == sorted([unheard, pending])
    await vendor.lists(media_ids=[str(unheard), str(pending)])
    assert len(market.media.asked) == 2, "what the projection knows is not asked again"


async def test_a_refusal_that_media_cannot_confirm_is_503(market: Any) -> None:
    vendor = await market.vendor()
    product = await vendor.lists()
    market.media.away = True

    answers = [
        await vendor.owner.post(PRODUCTS, await vendor.offer(media_ids=[str(uuid4())])),
        await vendor.owner.post(f"{PRODUCTS}/{product['id']}/media", {"media_id": str(uuid4())}),
        await vendor.owner.patch(f"{PRODUCTS}/{product['id']}", {"coa_media_id": str(uuid4())}),
    ]

    assert {(a.status_code, a.json()["error"]["details"]["service"]) for a in answers} == {(503, "media")}
    assert (await vendor.owner.post(PRODUCTS, await vendor.offer())).status_code == 201, "a yes needs no answer"


async def test_a_picture_is_added_where_it_shall_stand(market: Any) -> None:
    vendor = await market.vendor()
    product = await vendor.lists()
    (first,) = await gallery(vendor, product)
    second, third = [str(await vendor.uploads_one()) for _ in range(2)]
    add = f"{PRODUCTS}/{product['id']}/media"

    last = await vendor.owner.post(add, {"media_id": second})
    front = await vendor.owner.post(add, {"media_id": third, "position": 0})
    beyond = await vendor.owner.post(add, {"media_id": str(await vendor.uploads_one()), "position": 4})

    assert (last.status_code, front.status_code) == (201, 201)
    assert await gallery(vendor, product) == [third, first, second]
    assert front.json()["data"]["thumbnail_url"] == f"https://public.test/{third}"
    assert beyond.json()["error"]["details"] == {"position": "must be at most 3"}
    told = [(event.version, event.thumbnail_url) for event in await market.world.emitted(ProductChanged)]
    assert told == [(n, f"https://public.test/{thumb}") for n, thumb in ((1, first), (2, first), (3, third))]
    audited = await market.rows("select payload from audit_logs where action = 'product.gallery' order by seq")
    assert audited[-1]["payload"] == {
        "old": {"media_ids": [first, second]}, "new": {"media_ids": [third, first, second]},
    }  # fmt: skip


async def test_a_picture_is_taken_out_and_the_last_one_stays(market: Any) -> None:
    vendor = await market.vendor()
    pictures = [str(await vendor.uploads_one()) for _ in range(3)]
    product = await vendor.lists(media_ids=pictures)
    path = f"{PRODUCTS}/{product['id']}/media"

    answers = [
        await vendor.owner.delete(f"{path}/{media_id}") for media_id in (*pictures[:2], pictures[0], pictures[2])
    ]

    assert [answer.status_code for answer in answers] == [204, 204, 404, 422]
    assert answers[3].json()["error"]["reason"] == "last_picture"
    assert await gallery(vendor, product) == pictures[2:]
    assert await said(market) == [("product_gallery", pictures[0]), ("product_gallery", pictures[1])]
    changed = (await market.world.emitted(ProductChanged))[-1]
    assert (changed.version, changed.thumbnail_url) == (3, f"https://public.test/{pictures[2]}")


async def test_another_stores_gallery_is_the_same_404_as_none(market: Any) -> None:
    vendor, other = await market.vendor(), await market.vendor()
    product, picture = await vendor.lists(), await other.uploads_one()
    (shown,) = await gallery(vendor, product)

    answers = [
        await other.owner.request(method, f"{PRODUCTS}/{product_id}/media{rest}", json=body)
        for product_id in (product["id"], uuid4())
        for method, rest, body in (("POST", "", {"media_id": str(picture)}), ("DELETE", f"/{shown}", None))
    ]

    assert {(a.status_code, a.json()["error"]["message"]) for a in answers} == {(404, "resource not found")}
    assert await gallery(vendor, product) == [shown]
    assert len(await market.world.emitted(CatalogMediaAttached)) == 1


async def test_media_ids_cannot_be_changed_and_a_product_without_picture_cannot_become_active(market: Any) -> None:
    vendor = await market.vendor()
    product = await vendor.lists()
    await vendor.medium_becomes(product["media"][0]["media_id"], status="deleted", deleted=True)
    path = f"{PRODUCTS}/{product['id']}"

    immutable = await vendor.owner.patch(path, {"media_ids": [str(await vendor.uploads_one())]})
    bare = await vendor.owner.patch(path, {"is_active": True})
    added = await vendor.owner.post(f"{path}/media", {"media_id": str(await vendor.uploads_one())})
    still_inactive = added.json()["data"]["is_active"]
    shown = await vendor.owner.patch(path, {"is_active": True})

    assert (immutable.status_code, list(immutable.json()["error"]["details"])) == (400, ["media_ids"])
    assert (bare.status_code, bare.json()["error"]["reason"]) == (422, "picture_missing")
    assert (still_inactive, shown.json()["data"]["is_active"]) == (False, True)


async def test_last_picture_deleted_deactivates_product(market: Any) -> None:
    vendor, buyer = await market.vendor(), await market.buyer()
    first, last = [str(await vendor.uploads_one()) for _ in range(2)]
    product = await vendor.lists(media_ids=[first, last])

    await vendor.medium_becomes(first, status="deleted", deleted=True)
    kept = await gallery(vendor, product), await buyer.sees(product)
    await vendor.medium_becomes(last, status="deleted", deleted=True)
    await market.world.settle(twice=True)

    assert kept == ([last], 200)
    assert (await gallery(vendor, product), await buyer.sees(product)) == ([], 404)
    told = [(e.version, e.is_active, e.thumbnail_url) for e in await market.world.emitted(ProductChanged)]
    url = "https://public.test/"
    assert told == [(1, True, f"{url}{first}"), (2, True, f"{url}{last}"), (3, False, None)]
    (audited,) = await market.rows(
        "select actor_user_id, actor_role, target_id, payload from audit_logs where action = 'product.deactivate'"
    )
    assert (audited["actor_user_id"], audited["actor_role"], str(audited["target_id"])) == (
        None, "service", product["id"],
    )  # fmt: skip
    assert await said(market) == [("product_gallery", first), ("product_gallery", last)]


async def test_a_medium_asked_to_be_deleted_stays_shown_until_it_is(market: Any) -> None:
    vendor, buyer = await market.vendor(), await market.buyer()
    product = await vendor.lists()

    await vendor.medium_becomes(product["media"][0]["media_id"], status="delete_requested")

    assert await buyer.sees(product) == 200
    assert await said(market) == []


async def test_a_picture_in_two_products_leaves_both_and_spares_what_is_deleted_already(market: Any) -> None:
    vendor = await market.vendor()
    shared = str(await vendor.uploads_one())
    one, two, gone = [await vendor.lists(media_ids=[shared]) for _ in range(3)]
    await vendor.owner.delete(f"{PRODUCTS}/{gone['id']}")
    versions = {"id": gone["id"], "said": len(await market.world.emitted(ProductChanged))}

    await vendor.medium_becomes(shared, status="deleted", deleted=True)

    assert [await gallery(vendor, product) for product in (one, two)] == [[], []]
    later = (await market.world.emitted(ProductChanged))[versions["said"] :]
    assert sorted(str(event.product_id) for event in later) == sorted([one["id"], two["id"]])


async def test_a_deleted_product_lets_its_media_go(market: Any) -> None:
    vendor = await market.vendor()
    paper = str(await vendor.uploads_one("coa"))
    product = await vendor.lists(coa_media_id=paper)

    await vendor.owner.delete(f"{PRODUCTS}/{product['id']}")

    assert await said(market) == [("product_gallery", product["media"][0]["media_id"]), ("product_coa", paper)]
    assert await market.rows("select 1 from product_media") == []
    assert (await market.world.emitted(ProductChanged))[-1].thumbnail_url is None


async def test_a_changed_certificate_is_one_detach_and_one_attach(market: Any) -> None:
    vendor = await market.vendor()
    first, second = [str(await vendor.uploads_one("coa")) for _ in range(2)]
    product = await vendor.lists(coa_media_id=first)
    path = f"{PRODUCTS}/{product['id']}"

    same = await vendor.owner.patch(path, {"coa_media_id": first, "title": "Same"})
    unchanged = await said(market)
    other = await vendor.owner.patch(path, {"coa_media_id": second})
    none = await vendor.owner.patch(path, {"coa_media_id": None})

    states = [(a.json()["data"]["coa_added"], a.json()["data"]["coa_media_id"]) for a in (same, other, none)]
    assert states == [(True, first), (True, second), (False, None)]
    assert (unchanged, await said(market)) == ([], [("product_coa", first), ("product_coa", second)])
    assert len(await market.world.emitted(CatalogMediaAttached)) == 3


async def test_a_deleted_certificate_goes_and_the_product_stays_in_sale(market: Any) -> None:
    vendor, buyer = await market.vendor(), await market.buyer()
    paper = str(await vendor.uploads_one("coa"))
    product = await vendor.lists(coa_media_id=paper)

    await vendor.medium_becomes(paper, status="deleted", deleted=True)

    detail = (await buyer.owner.get(f"/api/v1/products/{product['id']}")).json()["data"]
    assert (detail["coa_added"], detail["coa_media_id"]) == (False, None)
    assert await said(market) == [("product_coa", paper)]
    row = await market.row("select version, coa_attachment_id from products where id = $1", UUID(product["id"]))
    assert tuple(row) == (2, None)
