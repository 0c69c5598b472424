"""Media dies at every step of an arrival and of a deletion: no message is lost and nothing is done by halves.

Here in the whole house, a few steps in the short form; media's own tests take every step with the listener alone.
"""

import asyncio
import signal
from contextlib import suppress
from uuid import uuid4

import asyncpg
import pytest
from faults import arm
from markets import Market, at_rest
from objects import ObjectStore
from papers import FINALISE, GRACE_OVER, LAPSED, grace_passes

from packhouse.eventually import eventually
from packhouse.files import PNG, picture
from packhouse.processes import CommandError
from packhouse.stack import Stack

ARRIVES_WITHIN = 60.0
ARRIVALS = (
    "outbox.after_commit",
    "listener.copied",
    pytest.param("listener.received", marks=pytest.mark.long),
    pytest.param("listener.looked", marks=pytest.mark.long),
    pytest.param("outbox.before_commit", marks=pytest.mark.long),
    pytest.param("listener.before_ack", marks=pytest.mark.long),
)
DELETIONS = (
    "deletion.object_gone",
    pytest.param("deletion.began", marks=pytest.mark.long),
    pytest.param("outbox.before_commit", marks=pytest.mark.long),
    pytest.param("outbox.after_commit", marks=pytest.mark.long),
)
SAID = """
select count(*) from (select type, payload from media.outbox union all select type, payload from media.outbox_archive) s
where type = 'media.media_changed.v1' and payload ->> 'media_id' = $1 and payload ->> 'status' = $2
"""


async def dead(stack: Stack) -> None:
    async def is_dead() -> bool:
        return not stack.process("media").alive

    await eventually(is_dead, within=30)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("failpoint", ARRIVALS)
async def test_a_listener_that_dies_at_any_step_loses_no_message(
    stack: Stack, market: Market, database: asyncpg.Connection, failpoint: str
) -> None:
    vendor, shown = market.vendors[0], picture(failpoint)
    signed = (await vendor.presigns("product", len(shown), PNG, file_name=failpoint)).expect(200)
    await eventually(lambda: at_rest(database), within=30)

    arm(stack, "media", f"{failpoint}=kill@1")
    (await vendor.sends(signed, shown)).raise_for_status()
    await dead(stack)
    arm(stack, "media", "")
    await asyncio.to_thread(stack.restart, "media")

    async def uploaded() -> bool:
        medium = await vendor.sees_medium(signed["media_id"])
        return medium is not None and medium["status"] == "uploaded"

    seconds = await eventually(uploaded, within=ARRIVES_WITHIN)
    await eventually(lambda: at_rest(database), within=30)
    print(f"{failpoint}: uploaded {seconds:.1f} s after the restart")
    assert await database.fetchval(SAID, signed["media_id"], "uploaded") == 1


@pytest.mark.timeout(300)
@pytest.mark.parametrize("failpoint", DELETIONS)
async def test_a_deletion_that_dies_at_any_step_is_finished_by_the_next(
    stack: Stack, market: Market, database: asyncpg.Connection, failpoint: str
) -> None:
    vendor, objects = market.vendors[0], ObjectStore.of(stack)
    unwanted = await vendor.uploads("product", picture(uuid4().hex), PNG)
    (await vendor.deletes_medium(unwanted)).expect(204)
    await eventually(lambda: at_rest(database), within=30)

    arm(stack, "media", f"{failpoint}=kill@1")
    await database.execute(GRACE_OVER)
    died = await _finalises(stack)
    arm(stack, "media", "")
    await database.execute(LAPSED, FINALISE)
    await asyncio.to_thread(stack.restart, "media")
    await grace_passes(stack, database)

    assert died, "nobody died: the test proved nothing"
    assert await objects.keys(f"{vendor.store_id}/product/{unwanted}") == set()
    assert await database.fetchval("select status from media.media where id = $1::uuid", unwanted) == "deleted"
    assert await database.fetchval(SAID, unwanted, "deleted") == 1


async def _finalises(stack: Stack) -> bool:
    """Run the job that deletes; whether a process died of it, which may be the service itself: it has the job too."""
    try:
        await asyncio.to_thread(stack.run, "media", "job", FINALISE)
    except CommandError as failed:
        if failed.status != -signal.SIGKILL:
            raise
        return True
    with suppress(TimeoutError):
        await dead(stack)
    return not stack.process("media").alive
