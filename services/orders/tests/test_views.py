"""What orders keeps of other services' stores (spec 1.9)."""

from typing import Any
from uuid import UUID

from kernel.scope import StoreType

from .conftest import store_snapshot


async def known(market: Any, store_id: UUID) -> tuple[str, int, bool]:
    async with market.world.db.reader() as db:
        row = await db.fetchrow("select company_name, version, deleted from stores where store_id = $1", store_id)
    assert row is not None
    return tuple(row)


async def test_names_follow_their_owner(market: Any, buyer: Any) -> None:
    flower = market.product(market.vendor())
    await market.world.hears(store_snapshot(flower.vendor.id, "Old name", StoreType.VENDOR, 1))
    await buyer.buys((flower, 1))
    await market.world.hears(store_snapshot(flower.vendor.id, "New name", StoreType.VENDOR, 2))
    [row] = (await buyer.caller.get("/api/v1/orders")).json()["data"]["orders"]
    assert row["vendor"]["company_name"] == "New name"
    assert row["vendor"]["address"]["city"] == "Tulsa"


async def test_a_store_heard_twice_is_known_once(market: Any) -> None:
    vendor = market.vendor()
    for name, version in (("First", 1), ("Second", 2)):
        await market.world.hears(store_snapshot(vendor.id, name, StoreType.VENDOR, version))
    await market.world.settle(twice=True)
    assert await known(market, vendor.id) == ("Second", 2, False)


async def test_projection_ignores_older_version(market: Any) -> None:
    vendor = market.vendor()
    for name, version in (("Third", 3), ("Second", 2), ("Third again", 3)):
        await market.world.hears(store_snapshot(vendor.id, name, StoreType.VENDOR, version))
    assert await known(market, vendor.id) == ("Third again", 3, False)


async def test_after_a_restore_of_identity_versions_count_anew(market: Any) -> None:
    vendor = market.vendor()
    for name, version in (("Third", 3), ("Fourth", 4)):
        await market.world.hears(store_snapshot(vendor.id, name, StoreType.VENDOR, version))

    await market.world.hears(store_snapshot(vendor.id, "Restored", StoreType.VENDOR, 2), epoch=2, baseline=True)
    await market.world.hears(store_snapshot(vendor.id, "Said before the restore", StoreType.VENDOR, 5))

    assert await known(market, vendor.id) == ("Restored", 2, False)


async def test_a_deleted_store_stays_as_a_tombstone(market: Any) -> None:
    vendor = market.vendor()
    gone = store_snapshot(vendor.id, "Gone", StoreType.VENDOR, 2).model_copy(update={"deleted": True})
    await market.world.hears(gone)
    await market.world.hears(store_snapshot(vendor.id, "Back", StoreType.VENDOR, 1))
    assert await known(market, vendor.id) == ("Gone", 2, True)


async def test_the_answer_of_identity_never_replaces_a_newer_event(market: Any, buyer: Any) -> None:
    newer = store_snapshot(buyer.store_id, "Newer", StoreType.BUYER, 9).model_copy(update={"deleted": True})
    await market.world.hears(newer)
    cart = await buyer.wants((market.product(market.vendor()), 1))
    assert (await buyer.checks_out(cart["id"])).status_code == 403
    assert await known(market, buyer.store_id) == ("Newer", 9, True)
