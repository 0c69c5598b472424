"""Guessing is slow, counted, and tells nothing (spec 2.2; F-A6, F-A7)."""

import asyncio

import pytest
from argon2 import PasswordHasher

from chassis.telemetry.metrics import rendered
from testkit.world import World

from .people import PASSWORD, Person, a_store, directly


def _hashes() -> float:
    lines = rendered().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("password_hashes_total "))


async def test_unknown_email_costs_one_hash(world: World) -> None:
    sam = await a_store(world)
    answers, costs = [], []
    for person in (sam, Person(world)):
        before = _hashes()
        answers.append(await person.logs_in("wrong password"))
        costs.append(_hashes() - before)
    assert costs == [1, 1]
    assert [answer.status_code for answer in answers] == [401, 401]
    errors = [{**answer.json()["error"], "request_id": ""} for answer in answers]
    assert errors[0] == errors[1]


async def test_two_hundred_guesses_at_once_are_verified_at_most_five_times(world: World) -> None:
    sam = await a_store(world)
    before = _hashes()
    guesses = [Person(world, sam.email, ip=f"198.51.100.{number}") for number in range(200)]
    answers = await asyncio.gather(*(guess.logs_in(f"guess {n}") for n, guess in enumerate(guesses)))
    assert _hashes() - before <= 5
    busy = [answer for answer in answers if answer.status_code == 503]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(refused) + len(busy) >= 195, "a machine that is too slow for the flood may say so instead"
    assert all(1 <= int(answer.headers["retry-after"]) <= 60 for answer in refused)


async def test_the_last_try_is_kept_for_an_address_the_account_knows(world: World) -> None:
    sam = await a_store(world)
    stranger = Person(world, sam.email, ip="198.51.100.1")
    for _ in range(4):
        assert (await stranger.logs_in("a guess")).status_code == 401
    assert (await stranger.logs_in(PASSWORD)).status_code == 429
    assert (await sam.logs_in()).status_code == 200
    assert (await sam.logs_in()).status_code == 429


async def test_the_fourth_registration_of_an_email_in_five_minutes_waits(world: World) -> None:
    sam = Person(world)
    statuses = [(await sam.registers(f"Store {number}")).status_code for number in range(4)]
    assert statuses == [200, 200, 200, 429]


async def test_a_hash_weaker_than_configured_is_made_anew_at_login(world: World) -> None:
    sam = await a_store(world)
    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1, hash_len=16, salt_len=8).hash(PASSWORD)
    await directly(world, "update users set password_hash = $2 where id = $1", sam.claims.user_id, weak)
    assert (await sam.logs_in()).status_code == 200
    async with world.db.reader() as db:
        stored = await db.fetchval("select password_hash from users where id = $1", sam.claims.user_id)
    assert stored != weak
    assert (await sam.logs_in()).status_code == 200


async def test_success_and_failure_are_audited_without_the_email(world: World) -> None:
    sam = await a_store(world)
    await sam.logs_in()
    await sam.logs_in("wrong password")
    await Person(world, "nobody@example.net").logs_in()
    async with world.db.reader() as db:
        rows = await db.fetch("select action, target_id, payload::text as payload from audit_logs order by seq")
    logins = [row for row in rows if row["action"].startswith("auth.login")]
    assert [(row["action"], row["target_id"]) for row in logins] == [
        ("auth.login", sam.claims.user_id),
        ("auth.login_failed", sam.claims.user_id),
        ("auth.login_failed", None),
    ]
    assert not any("example.net" in row["payload"] for row in rows)


async def test_no_password_email_or_token_is_ever_logged(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    sam = await a_store(world)
    await sam.logs_in("Wrong-Canary-1")
    await sam.logs_in()
    await sam.refreshes()
    await sam.logs_out()
    output = "".join(capfd.readouterr())
    assert "request.complete" in output
    secrets = (PASSWORD, "Wrong-Canary-1", sam.email, str(sam.token), str(sam.refresh_token), "Reed")
    assert [secret for secret in secrets if secret in output] == []
