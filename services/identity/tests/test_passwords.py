"""Guessing is slow, counted, and tells nothing (spec 2.2; F-A6, F-A7)."""

import asyncio
import subprocess
import sys

import pytest
from argon2 import PasswordHasher
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from identity.clients.common_passwords import AMOUNT, is_common
from identity.domain.people import PASSWORD_LENGTHS
from testkit.world import World

from .people import PASSWORD, Person, a_store, directly, hashes

FLOOD = """
import asyncio, resource, types
from identity.clients.passwords import Passwords
from identity.settings import Settings

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

async def main():
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    passwords = Passwords(types.SimpleNamespace(**defaults))
    before = peak()
    verdicts = await asyncio.gather(*(passwords.verify("a guess", None) for _ in range(50)))
    print(len(verdicts), peak() - before)

asyncio.run(main())
"""


async def test_unknown_email_costs_one_hash(world: World) -> None:
    sam = await a_store(world)
    answers, costs = [], []
    for person in (sam, Person(world)):
        before = hashes()
        answers.append(await person.logs_in("wrong password"))
        costs.append(hashes() - before)
    assert costs == [1, 1]
    assert [answer.status_code for answer in answers] == [401, 401]
    errors = [{**answer.json()["error"], "request_id": ""} for answer in answers]
    assert errors[0] == errors[1]


async def test_two_hundred_guesses_at_once_are_verified_at_most_five_times(world: World) -> None:
    sam = await a_store(world)
    before = hashes()
    guesses = [Person(world, sam.email, ip=f"198.51.100.{number}") for number in range(200)]
    answers = await asyncio.gather(*(guess.logs_in(f"guess {n}") for n, guess in enumerate(guesses)))
    assert hashes() - before <= 5
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


@pytest.mark.parametrize("password", ["password1", "PASSWORD1", "qwertyuiop", "1qaz2wsx"])
async def test_what_everybody_tries_first_is_no_password(world: World, password: str) -> None:
    answer = await Person(world).registers(password=password)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["reason"]) == (400, "VALIDATION_ERROR", "common_password")
    assert error["details"] == {"password": "is invalid"}
    assert error["message"] == "this is one of the most common passwords"


def test_ten_thousand_common_passwords_are_known() -> None:
    known = [word for word in FREQUENCY_LISTS["passwords"] if is_common(word)]
    assert len(known) == AMOUNT
    assert min(map(len, known)) == PASSWORD_LENGTHS.start
    assert not is_common(PASSWORD)


async def test_a_flood_of_logins_takes_the_memory_of_two_hashes() -> None:
    """50 at once with the real parameters, in a process whose peak tells what they took (F-A8)."""
    flood = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", FLOOD], capture_output=True, text=True, check=True
    )
    verified, grown_kib = map(int, flood.stdout.split())
    slots, one_hash_kib, allowance_kib = 2, 19_456, 8_192
    assert verified == 50
    assert grown_kib <= slots * one_hash_kib + allowance_kib


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
