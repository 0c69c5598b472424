"""Access tokens are signed by keys that take turns; who holds an older token loses nothing (spec 1.6)."""

from datetime import timedelta

from chassis.auth import kid_of, rotate_ring
from testkit.world import World

from .people import a_store


def rotates(world: World) -> str:
    """The id of the key that will sign next."""
    return rotate_ring(world.floor.settings.access_key_file, now=world.clock.now().timestamp()).kid


async def published(world: World) -> set[str]:
    return {key["kid"] for key in (await world.caller().get("/.well-known/jwks.json")).json()["keys"]}


async def test_keys_go_from_next_to_current_to_previous_to_gone(world: World) -> None:
    sam = await a_store(world)
    old = kid_of(str(sam.token))
    new = rotates(world)
    assert await published(world) == {old, new}
    await sam.refreshes()
    assert kid_of(str(sam.token)) == old, "nobody may know the new key yet"
    world.clock.turn(timedelta(minutes=11))
    await sam.refreshes()
    assert kid_of(str(sam.token)) == new
    assert await published(world) == {old, new}
    world.clock.turn(timedelta(hours=24))
    assert await published(world) == {new}


async def test_refresh_and_logout_know_a_key_for_90_days_after_its_last_signature(world: World) -> None:
    sam, kim = await a_store(world), await a_store(world)
    rotates(world)
    world.clock.turn(timedelta(days=29))
    assert (await sam.refreshes()).status_code == 200, "29 days later with a bearer of a key that is gone"
    world.clock.turn(timedelta(days=60))
    assert (await kim.logs_out()).status_code == 200
    world.clock.turn(timedelta(days=2))
    answer = await kim.logs_out()
    assert (answer.status_code, answer.json()["error"]["reason"]) == (401, "token_invalid")
