"""One key, one effect, one answer (spec 1.5), whatever happens in between."""

import asyncio
import json
from typing import Any
from uuid import UUID, uuid4

import pytest

from chassis import failpoints, idempotency
from chassis.answer import reply
from chassis.db import CommitUnknown
from chassis.web import WEEK
from kernel.scope import Actor, Role


def opening(jar_id: str) -> str:
    return f"/api/v1/jars/{jar_id}/open"


async def test_a_repeat_gets_the_stored_answer_and_no_second_effect(house: Any) -> None:
    jar_id = await house.jar()

    first = await house.ask("POST", opening(jar_id), key="k1")
    again = await house.ask("POST", opening(jar_id), key='"k1"')

    assert (first.status_code, first.headers.get("idempotency-replayed")) == (200, None)
    assert (again.status_code, again.headers["idempotency-replayed"]) == (200, "true")
    assert again.content == first.content
    assert await house.opened(jar_id) == 1


@pytest.mark.plant("GET-then-SET idempotency")
async def test_20_parallel_identical_requests_have_one_effect_and_19_replays_or_409(house: Any) -> None:
    jar_id = await house.jar()

    answers = await asyncio.gather(*(house.ask("POST", opening(jar_id), key="same") for _ in range(20)))

    assert await house.opened(jar_id) == 1
    won = [one for one in answers if one.status_code == 200 and "idempotency-replayed" not in one.headers]
    waiting = [one for one in answers if one.status_code == 409]
    replays = [one for one in answers if one.headers.get("idempotency-replayed") == "true"]
    assert (len(won), len(waiting) + len(replays)) == (1, 19)
    assert all(one.json()["error"]["reason"] == "request_in_progress" for one in waiting)
    assert all(one.headers["retry-after"] for one in waiting)


async def test_in_progress_is_told_and_then_replayed(house: Any, gate: Any) -> None:
    jar_id = await house.jar()
    gate.shut()
    running = asyncio.create_task(house.ask("POST", opening(jar_id), key="k"))
    await gate.arrived.wait()

    meanwhile = await house.ask("POST", opening(jar_id), key="k")
    gate.open.set()
    first, after = await running, await house.ask("POST", opening(jar_id), key="k")

    assert (meanwhile.status_code, first.status_code, after.headers["idempotency-replayed"]) == (409, 200, "true")


async def test_other_body_is_key_reused(house: Any) -> None:
    await house.ask("POST", "/api/v1/jars", {"name": "a"}, key="k")

    other = await house.ask("POST", "/api/v1/jars", {"name": "b"}, key="k")

    assert (other.status_code, other.json()["error"]["code"]) == (409, "IDEMPOTENCY_KEY_REUSED")


async def test_two_stores_same_key_do_not_collide(house: Any) -> None:
    salt, pepper = await house.jar("salt"), await house.jar("pepper")

    await house.ask("POST", opening(salt), key="k")
    await house.ask("POST", opening(salt), key="k", store_id=uuid4())
    await house.ask("POST", opening(salt), key="k", user_id=uuid4())
    await house.ask("POST", opening(pepper), key="k")

    assert (await house.opened(salt), await house.opened(pepper)) == (3, 1)


async def test_a_refusal_is_rolled_back_and_stored(house: Any) -> None:
    jar_id = await house.jar()

    first = await house.ask("POST", "/api/v1/mishaps", {"how": "state"}, key="k")
    again = await house.ask("POST", "/api/v1/mishaps", {"how": "state"}, key="k")

    assert [first.status_code, again.status_code] == [422, 422]
    assert again.headers["idempotency-replayed"] == "true"
    assert await house.opened(jar_id) == 0


@pytest.mark.plant("5xx cached")
@pytest.mark.parametrize(("how", "status"), [("crash", 500), ("away", 503), ("limit", 429)])
async def test_5xx_is_not_stored(house: Any, how: str, status: int) -> None:
    jar_id = await house.jar()

    first = await house.ask("POST", "/api/v1/mishaps", {"how": how}, key="k")
    again = await house.ask("POST", "/api/v1/mishaps", {"how": how}, key="k")

    assert [first.status_code, again.status_code] == [status, status]
    assert "idempotency-replayed" not in again.headers
    assert await house.records() == []
    assert await house.opened(jar_id) == 0


async def test_a_request_refused_before_the_claim_is_not_recorded(house: Any) -> None:
    await house.ask("POST", "/api/v1/jars", {"name": ""}, key="k")
    await house.ask("POST", "/api/v1/jars", {"name": "a"}, key="k", role=Role.VIEWER)

    assert await house.records() == []


async def test_a_refusal_may_leave_its_effect_behind(house: Any) -> None:
    jar_id = await house.jar()

    first = await house.ask("POST", f"/api/v1/jars/{jar_id}/drop", key="k")
    again = await house.ask("POST", f"/api/v1/jars/{jar_id}/drop", key="k")

    assert [first.status_code, again.status_code] == [422, 422]
    assert again.headers["idempotency-replayed"] == "true"
    assert await house.opened(jar_id) == -1


async def test_a_step_stays_when_the_next_one_fails_and_the_key_is_free_again(house: Any, gate: Any) -> None:
    jar_id = await house.jar()
    gate.away = True
    failed = await house.ask("POST", f"/api/v1/jars/{jar_id}/age", key="k")
    gate.away = False

    done = await house.ask("POST", f"/api/v1/jars/{jar_id}/age", key="k")
    again = await house.ask("POST", f"/api/v1/jars/{jar_id}/age", key="k")

    assert (failed.status_code, done.status_code) == (503, 200)
    assert done.json()["data"]["opened"] == again.json()["data"]["opened"] == 21


@pytest.mark.plant("a lost claim is finished")
async def test_lost_lease_cannot_commit(house: Any, gate: Any) -> None:
    jar_id = await house.jar()
    gate.shut()
    slow = asyncio.create_task(house.ask("POST", opening(jar_id), key="k"))
    await gate.arrived.wait()
    await house.lapse_leases()

    held = gate.let_others_through()
    taker = await house.ask("POST", opening(jar_id), key="k")
    held.set()
    loser = await slow

    assert await house.opened(jar_id) == 1
    assert (taker.status_code, "idempotency-replayed" in taker.headers) == (200, False)
    assert (loser.status_code, loser.headers["idempotency-replayed"]) == (200, "true")


async def test_a_claim_whose_process_died_is_taken_over_by_the_same_body_only(house: Any) -> None:
    jar_id = await house.jar()
    dead = await house.claim_of_a_dead_process(opening(jar_id), "k")

    early = await house.ask("POST", opening(jar_id), key="k")
    await house.lapse_leases()
    other_body = await house.ask("POST", opening(jar_id), key="k", raw=b"{}")
    late = await house.ask("POST", opening(jar_id), key="k")

    assert (early.status_code, other_body.status_code, late.status_code) == (409, 409, 200)
    assert other_body.json()["error"]["code"] == "IDEMPOTENCY_KEY_REUSED"
    assert await house.opened(jar_id) == 1
    with pytest.raises(idempotency.LostClaimError):
        async with house.floor.db.reader() as db:
            await idempotency.finish(db, dead, reply(None), 200)


async def test_an_unknown_commit_that_happened_is_answered(house: Any) -> None:
    jar_id = await house.jar()
    failpoints.arm("pantry.after_commit=error@1")

    answer = await house.ask("POST", opening(jar_id), key="k")
    failpoints.arm("")

    assert answer.status_code == 200
    assert answer.json()["data"]["opened"] == 1


async def test_an_unknown_commit_that_did_not_happen_gives_the_key_back(house: Any, monkeypatch: Any) -> None:
    jar_id = await house.jar()

    async def lost(_db: Any, begun: Any, *, said: bool) -> None:
        await begun.rollback()
        raise CommitUnknown

    with monkeypatch.context() as broken:
        broken.setattr(type(house.floor.db), "_commit", lost)
        first = await house.ask("POST", opening(jar_id), key="k")
    again = await house.ask("POST", opening(jar_id), key="k")

    assert (first.status_code, again.status_code) == (503, 200)
    assert await house.opened(jar_id) == 1


async def test_a_token_is_sent_once_and_a_repeat_mints_another(house: Any) -> None:
    body = {"email": "Jo@Example.org", "password": "correct horse"}

    first = await house.ask("POST", "/api/v1/register", body, key="k", user_id=None, store_id=None, role=None)
    again = await house.ask("POST", "/api/v1/register", body, key="k", user_id=None, store_id=None, role=None)

    assert first.json()["data"] == {"email": "jo@example.org", "refresh_token": "first"}
    assert again.json()["data"] == {"email": "jo@example.org", "refresh_token": "second"}
    assert (first.status_code, again.status_code, again.headers["idempotency-replayed"]) == (201, 201, "true")
    [record] = await house.records()
    assert json.loads(record["body"]) == {"data": {"email": "jo@example.org"}}
    assert "example" not in record["actor_key"]


async def test_another_process_finishes_a_claim_from_its_written_scope(house: Any, gate: Any) -> None:
    jar_id = await house.jar()
    gate.shut()
    slow = asyncio.create_task(house.ask("POST", opening(jar_id), key="k"))
    await gate.arrived.wait()
    [record] = await house.records()
    scope = idempotency.Scope.from_dict(json.loads(json.dumps(house.scope_of(record).to_dict())))

    async with house.floor.db.transaction(actor=Actor.job("completer"), request_id="r") as tx:
        written = await idempotency.write_done(tx, scope, reply({"by": "completer"}, status=201), keep=WEEK)
    gate.open.set()
    first, again = await slow, await house.ask("POST", opening(jar_id), key="k")

    assert written
    assert (
        (first.status_code, first.json()) == (again.status_code, again.json()) == (201, {"data": {"by": "completer"}})
    )
    assert await house.opened(UUID(jar_id).hex) == 0


async def test_write_done_works_when_the_claim_is_gone_and_never_replaces_an_answer(house: Any) -> None:
    jar_id = await house.jar()
    scope = await house.scope_for(opening(jar_id), "gone")

    async with house.floor.db.transaction(actor=Actor.job("completer"), request_id="r") as tx:
        first = await idempotency.write_done(tx, scope, reply("one"), keep=WEEK)
        second = await idempotency.write_done(tx, scope, reply("two"), keep=WEEK)
    answer = await house.ask("POST", opening(jar_id), key="gone")

    assert (first, second) == (True, False)
    assert answer.json() == {"data": "one"}


async def test_an_expired_record_counts_as_absent_and_is_deleted_daily(house: Any) -> None:
    await house.ask("POST", "/api/v1/jars", {"name": "a"}, key="k")
    await house.run("update idempotency_records set expires_at = now() - interval '1 second' returning id")

    other_body = await house.ask("POST", "/api/v1/jars", {"name": "b"}, key="k")
    await house.run("update idempotency_records set expires_at = now() - interval '1 second' returning id")

    assert other_body.status_code == 201
    assert await idempotency.delete_expired(house.floor.db) == 1


@pytest.mark.parametrize("key", ["", '""', "x" * 256, "tab\tbed", "snö"])
async def test_a_key_is_1_to_255_printable_ascii(house: Any, key: str) -> None:
    answer = await house.ask("POST", "/api/v1/jars", {"name": "a"}, headers={b"Idempotency-Key": key.encode("latin-1")})

    assert answer.json()["error"]["details"] == {"Idempotency-Key": "is invalid"}


async def test_a_keyed_transaction_without_an_answer_does_not_commit(house: Any, monkeypatch: Any) -> None:
    from chassis.web.work import Work

    monkeypatch.setattr(Work, "answer", lambda _tx, data, **_: reply(data))

    answer = await house.ask("POST", "/api/v1/jars", {"name": "a"})

    assert answer.status_code == 500
    assert await house.run("select count(*) as n from jars") == [{"n": 0}]
