"""A store is suspended and taken back (spec 2.4), and everybody who acts for it feels it within a second."""

from uuid import UUID, uuid4

import httpx
import pytest

from contracts.identity import StoreChanged
from testkit.world import World

from .people import Person, a_store, an_admin, grants


async def decides(admin: Person, deed: str, store_id: UUID | None, reason: str = "an inspection") -> httpx.Response:
    return await admin.does("POST", f"/api/v1/admin/stores/{store_id}/{deed}", {"reason": reason})


async def standing(person: Person) -> str | None:
    """As the gateway would believe it, which is the truth."""
    copy = await person.hot_copy()
    assert copy == await person.state()
    return copy.kyc_status if copy else None


async def test_a_suspended_store_is_suspended_for_everybody_at_once_and_keeps_its_sessions(world: World) -> None:
    admin, owner = await an_admin(world), await a_store(world, store_type="vendor")
    elsewhere = Person(world, owner.email)
    await elsewhere.logs_in()
    await grants(admin, owner.claims.store_id)
    answer = await decides(admin, "suspend", owner.claims.store_id)
    assert (answer.status_code, answer.json()["data"]["kyc_status"]) == (200, "suspended")
    assert [await standing(person) for person in (owner, elsewhere)] == ["suspended", "suspended"]
    told = (await world.emitted(StoreChanged))[-1]
    assert (told.kyc_status, told.version) == ("suspended", 3)
    stranger = await a_store(world)
    assert (await stranger.does("GET", f"/api/v1/stores/{owner.claims.store_id}")).status_code == 404


async def test_a_reinstated_store_stands_as_its_override_and_its_licences_say(world: World) -> None:
    admin, exempt, plain = await an_admin(world), await a_store(world, store_type="vendor"), await a_store(world)
    await grants(admin, exempt.claims.store_id)
    for owner, kyc in ((exempt, "verified"), (plain, "pending_verification")):
        await decides(admin, "suspend", owner.claims.store_id)
        answer = await decides(admin, "reinstate", owner.claims.store_id)
        assert (answer.status_code, answer.json()["data"]["kyc_status"]) == (200, kyc)
        assert await standing(owner) == kyc
        assert (await world.emitted(StoreChanged))[-1].kyc_status == kyc


async def test_what_is_so_already_is_a_conflict_and_who_is_nobody_is_not_found(world: World) -> None:
    admin, owner = await an_admin(world), await a_store(world)
    not_yet = await decides(admin, "reinstate", owner.claims.store_id)
    assert (not_yet.status_code, not_yet.json()["error"]["reason"]) == (409, "not_suspended")
    await decides(admin, "suspend", owner.claims.store_id)
    again = await decides(admin, "suspend", owner.claims.store_id)
    assert (again.status_code, again.json()["error"]["reason"]) == (409, "store_suspended")
    for deed in ("suspend", "reinstate"):
        assert (await decides(admin, deed, uuid4())).status_code == 404
        assert (await decides(owner, deed, owner.claims.store_id)).status_code == 403
    assert len(await world.emitted(StoreChanged)) == 2


@pytest.mark.parametrize("deed", ["suspend", "reinstate"])
async def test_a_deed_of_the_house_needs_a_reason(world: World, deed: str) -> None:
    admin, owner = await an_admin(world), await a_store(world)
    answer = await decides(admin, deed, owner.claims.store_id, reason=" ")
    assert (answer.status_code, answer.json()["error"]["details"]) == (400, {"reason": "is required"})


async def test_who_suspended_whom_and_why_is_audited(world: World) -> None:
    admin, owner = await an_admin(world), await a_store(world)
    for deed in ("suspend", "reinstate"):
        await decides(admin, deed, owner.claims.store_id, reason=f"why {deed}")
    async with world.db.reader() as db:
        rows = await db.fetch("select * from audit_logs where target_type = 'store' order by seq")
        kept = await db.fetchval("select suspended_reason from stores where id = $1", owner.claims.store_id)
    deeds = [(row["action"], row["actor_user_id"], row["payload"]) for row in rows[-2:]]
    actor = admin.claims.user_id
    assert deeds == [
        ("store.suspend", actor, {"before": "pending_verification", "after": "suspended", "reason": "why suspend"}),
        ("store.reinstate", actor, {"before": "suspended", "after": "pending_verification", "reason": "why reinstate"}),
    ]
    assert kept is None
