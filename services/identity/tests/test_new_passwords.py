"""Changing, forgetting and resetting passwords (spec 2.2, 2.3; F-A3, F-A7, F-A11)."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from hashlib import sha256
from uuid import uuid4

import httpx
import pytest

from contracts.identity import SecurityAlert
from identity.clients.mail import Mailer, RecordingMailer
from identity.manifest import SERVICE
from testkit.servers import TestServers
from testkit.world import World

from .conftest import CHEAP
from .people import PASSWORD, Person, a_store, an_admin, an_invite, directly, hashes

NEW = "another long secret 7"
COMMON = "Password1"
ACCOUNT = "select from users where id = $1 for update"


async def changes(person: Person, old: str = PASSWORD, new: str = NEW, key: str | None = None) -> httpx.Response:
    body = {"old_password": old, "new_password": new}
    return await person.does("POST", "/api/v1/auth/update-password", body, key)


async def forgets(world: World, email: str, key: str | None = None) -> httpx.Response:
    return await Person(world).says("POST", "/api/v1/auth/forgot-password", {"email": email}, key)


async def resets(world: World, token: str, password: str = NEW, key: str | None = None) -> httpx.Response:
    body = {"token": token, "password": password}
    return await Person(world).says("POST", "/api/v1/auth/reset-password", body, key)


async def a_token(world: World, person: Person) -> str:
    token: str = (await forgets(world, person.email)).json()["data"]["reset_token"]
    return token


async def is_given_a_temporary_one(admin: Person, person: Person, key: str | None = None) -> httpx.Response:
    path = f"/api/v1/admin/users/{person.claims.user_id}/reset-password"
    return await admin.does("POST", path, key=key)


def refusal(answer: httpx.Response) -> tuple[int, str | None]:
    return answer.status_code, answer.json().get("error", {}).get("reason")


async def audited(world: World, action: str) -> int:
    async with world.db.reader() as db:
        return int(await db.fetchval("select count(*) from audit_logs where action = $1", action))


@pytest.fixture
async def world_with_mail(servers: TestServers) -> AsyncIterator[tuple[World, RecordingMailer]]:
    mailer = RecordingMailer()
    async with World.open(SERVICE, servers, clients={Mailer: mailer}, settings=CHEAP) as world:
        yield world, mailer


# Changed by who knows the old one


@pytest.mark.plant("a new password that ends no session")
async def test_a_changed_password_ends_every_other_session_and_keeps_this_one(world: World) -> None:
    sam = await a_store(world)
    elsewhere = Person(world, sam.email)
    await elsewhere.logs_in()
    answer = await changes(sam)
    assert (answer.status_code, answer.json()) == (200, {"data": {"status": "updated"}})
    copy = await elsewhere.hot_copy()
    assert copy is not None
    assert copy.revoked
    assert await elsewhere.state() is None
    assert (await elsewhere.refreshes()).status_code == 401
    assert await sam.hot_copy() == await sam.state() is not None
    assert (await sam.refreshes()).status_code == 200
    assert refusal(await Person(world, sam.email).logs_in()) == (401, "bad_credentials")
    assert (await Person(world, sam.email).logs_in(NEW)).status_code == 200
    (alert,) = await world.emitted(SecurityAlert)
    assert (alert.user_id, alert.kind) == (sam.claims.user_id, "password_changed")
    assert await audited(world, "auth.password_changed") == 1


async def test_a_wrong_old_password_counts_as_a_try_to_log_in(world: World) -> None:
    sam = await a_store(world)
    before = hashes()
    answers = [refusal(await changes(sam, old="a guess")) for _ in range(6)]
    assert answers == [(401, "bad_credentials")] * 5 + [(429, None)]
    assert hashes() - before == 5
    assert (await sam.logs_in()).status_code == 429
    assert await sam.state() is not None
    assert await world.emitted(SecurityAlert) == []
    assert await audited(world, "auth.password_change_failed") == 5


@pytest.mark.parametrize(
    ("new", "text"),
    [
        ("short", "must be at least 8"),
        ("x" * 129, "must be at most 128"),
        (COMMON, "is invalid"),
        (PASSWORD, "is invalid"),
    ],
)
async def test_a_new_password_that_is_none_is_refused_by_name(world: World, new: str, text: str) -> None:
    sam = await a_store(world)
    answer = await changes(sam, new=new)
    assert (answer.status_code, answer.json()["error"]["details"]) == (400, {"new_password": text})


async def test_of_two_changes_at_once_one_wins_and_ends_the_others_session(world: World) -> None:
    sam = await a_store(world)
    twin = Person(world, sam.email)
    await twin.logs_in()
    async with world.collision(ACCOUNT, sam.claims.user_id, waiting=2):
        changing = [asyncio.create_task(changes(one, new=f"new secret {n}")) for n, one in enumerate((sam, twin))]
    answers = await asyncio.gather(*changing)
    assert sorted(answer.status_code for answer in answers) == [200, 401]
    for answer, person in zip(answers, (sam, twin), strict=True):
        assert (await person.state() is not None) == (answer.status_code == 200)
    assert len(await world.emitted(SecurityAlert)) == 1


@pytest.mark.plant("a proof that never ages")
async def test_a_login_that_was_verified_before_the_change_opens_no_session_after_it(world: World) -> None:
    sam = await a_store(world)
    late = Person(world, sam.email)
    async with world.collision(ACCOUNT, sam.claims.user_id, waiting=2) as arrived:
        changing = asyncio.create_task(changes(sam))
        await arrived(1)
        entering = asyncio.create_task(late.logs_in())
    assert (await changing).status_code == 200
    assert refusal(await entering) == (401, "bad_credentials")
    async with world.db.reader() as db:
        assert await db.fetchval("select count(*) from session_families where revoked_at is null") == 1


async def test_a_further_store_on_a_password_that_was_changed_meanwhile_is_refused(world: World) -> None:
    sam = await a_store(world)
    late = Person(world, sam.email)
    async with world.collision(ACCOUNT, sam.claims.user_id, waiting=2) as arrived:
        changing = asyncio.create_task(changes(sam))
        await arrived(1)
        registering = asyncio.create_task(late.registers("A Further Store"))
    assert (await changing).status_code == 200
    assert refusal(await registering) == (401, "bad_credentials")
    async with world.db.reader() as db:
        assert await db.fetchval("select count(*) from stores") == 1


async def test_a_repeated_registration_ends_with_the_password_it_was_made_with(world_without_limits: World) -> None:
    world = world_without_limits
    sam = await a_store(world)
    further = Person(world, sam.email)
    assert (await further.registers("A Further Store", key="k1")).status_code == 200
    assert (await further.registers("A Further Store", key="k1")).status_code == 200
    assert (await changes(sam)).status_code == 200
    assert refusal(await further.registers("A Further Store", key="k1")) == (401, "bad_credentials")
    again = {"password": NEW, "key": "k2"}
    assert (await further.registers("A Third Store", **again)).status_code == 200
    assert (await further.registers("A Third Store", **again)).status_code == 200, "it is made with the new one"


async def test_an_invitation_is_accepted_again_with_the_password_it_was_accepted_with(
    world_without_limits: World,
) -> None:
    world = world_without_limits
    owner, guest = await a_store(world), await a_store(world)
    assert (await changes(guest)).status_code == 200
    _, token = await an_invite(owner, guest.email)
    late = Person(world, guest.email)
    for _ in range(2):
        assert (await late.accepts(token, NEW, key="k1")).status_code == 200
    assert (await changes(guest, old=NEW, new=PASSWORD)).status_code == 200
    assert refusal(await late.accepts(token, NEW, key="k1")) == (401, "bad_credentials")


async def test_an_invitation_makes_no_account_with_a_common_password(world: World) -> None:
    _, token = await an_invite(await a_store(world), "newcomer@example.net")
    answer = await Person(world, "newcomer@example.net").accepts(token, COMMON)
    assert (answer.status_code, answer.json()["error"]["details"]) == (400, {"password": "is invalid"})


# Forgotten


async def test_a_forgotten_password_is_answered_alike_whoever_asks(world: World) -> None:
    """Text, code and the number of password hashes; outside production even the shape of the token (F-A7)."""
    sam = await a_store(world)
    answers, costs = [], []
    for email in (sam.email, "nobody@example.net"):
        before = hashes()
        answers.append(await forgets(world, email))
        costs.append(hashes() - before)
    assert costs == [0, 0]
    assert [answer.status_code for answer in answers] == [202, 202]
    tokens = [answer.json()["data"].pop("reset_token") for answer in answers]
    assert [len(token) for token in tokens] == [43, 43]
    assert {**answers[0].json()["data"], "reset_token": ""} == {**answers[1].json()["data"], "reset_token": ""}
    assert refusal(await resets(world, tokens[1])) == (401, "token_invalid")
    assert (await resets(world, tokens[0])).status_code == 200
    assert await audited(world, "auth.password_forgotten") == 2


async def test_the_token_goes_by_letter_to_its_account_and_to_nobody_else(
    world_with_mail: tuple[World, RecordingMailer],
) -> None:
    world, mailer = world_with_mail
    sam = await a_store(world)
    answers = [await forgets(world, email) for email in (sam.email.upper(), "nobody@example.net")]
    assert [(answer.status_code, answer.text) for answer in answers] == [(202, '{"data":{"status":"accepted"}}')] * 2
    (letter,) = mailer.letters
    assert letter.to == sam.email
    token = next(line for line in letter.text.splitlines() if len(line) == 43)
    async with world.db.reader() as db:
        assert await db.fetchval("select token_sha256 from password_resets") == sha256(token.encode()).digest()
    assert (await resets(world, token)).status_code == 200


async def test_in_production_no_token_is_ever_answered(world_in_production: World) -> None:
    sam = await a_store(world_in_production)
    answer = await forgets(world_in_production, sam.email)
    assert (answer.status_code, answer.json()) == (202, {"data": {"status": "accepted"}})


async def test_a_reset_ends_every_session_and_its_token_works_once(world: World) -> None:
    sam = await a_store(world)
    token = await a_token(world, sam)
    answer = await resets(world, token)
    assert (answer.status_code, answer.json()) == (200, {"data": {"status": "updated"}})
    copy = await sam.hot_copy()
    assert copy is not None
    assert copy.revoked
    assert (await sam.refreshes()).status_code == 401
    assert refusal(await resets(world, token, "yet another secret")) == (401, "token_invalid")
    assert (await sam.logs_in()).status_code == 401
    assert (await sam.logs_in(NEW)).status_code == 200
    (alert,) = await world.emitted(SecurityAlert)
    assert (alert.user_id, alert.kind) == (sam.claims.user_id, "password_changed")
    assert await audited(world, "auth.password_reset") == 1


@pytest.mark.plant("a reset token looked at and not used up")
async def test_of_many_uses_of_a_token_at_once_one_wins(world: World) -> None:
    sam = await a_store(world)
    token = await a_token(world, sam)
    async with world.collision(ACCOUNT, sam.claims.user_id, waiting=4):
        resetting = [asyncio.create_task(resets(world, token, f"new secret {number}")) for number in range(4)]
    answers = await asyncio.gather(*resetting)
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401]
    winner = next(number for number, answer in enumerate(answers) if answer.status_code == 200)
    assert (await sam.logs_in(f"new secret {winner}")).status_code == 200
    assert len(await world.emitted(SecurityAlert)) == 1


async def test_a_token_is_good_for_an_hour_and_costs_no_hash_after_it(world: World) -> None:
    sam = await a_store(world)
    token = await a_token(world, sam)
    world.clock.turn(timedelta(minutes=60))
    before = hashes()
    for dead in (token, "x" * 43):
        assert refusal(await resets(world, dead)) == (401, "token_invalid")
    assert hashes() == before
    token = await a_token(world, sam)
    world.clock.turn(timedelta(minutes=59))
    assert (await resets(world, token)).status_code == 200


async def test_a_newer_token_and_a_changed_password_void_the_older_token(world: World) -> None:
    sam = await a_store(world)
    older, newer = await a_token(world, sam), await a_token(world, sam)
    assert refusal(await resets(world, older)) == (401, "token_invalid")
    assert (await changes(sam)).status_code == 200
    assert refusal(await resets(world, newer)) == (401, "token_invalid")


async def test_who_was_deactivated_gets_no_token_and_can_use_none(world: World) -> None:
    sam = await a_store(world)
    token = await a_token(world, sam)
    await directly(world, "update users set is_active = false where id = $1", sam.claims.user_id)
    assert refusal(await resets(world, token)) == (401, "token_invalid")
    assert refusal(await resets(world, await a_token(world, sam))) == (401, "token_invalid")


async def test_a_common_password_cannot_be_set_with_a_token(world: World) -> None:
    sam = await a_store(world)
    answer = await resets(world, await a_token(world, sam), COMMON)
    assert (answer.status_code, answer.json()["error"]["details"]) == (400, {"password": "is invalid"})


async def test_the_fourth_request_of_an_email_in_five_minutes_waits_whether_or_not_it_is_known(world: World) -> None:
    sam = await a_store(world)
    for email in (sam.email, "nobody@example.net"):
        answers = [(await forgets(world, email)).status_code for _ in range(4)]
        assert answers == [202, 202, 202, 429]


async def test_a_repeat_under_the_same_key_is_answered_without_the_token_and_resets_nothing_again(world: World) -> None:
    sam = await a_store(world)
    token = (await forgets(world, sam.email, key="k1")).json()["data"]["reset_token"]
    again = await forgets(world, sam.email, key="k1")
    assert (again.status_code, again.json()) == (202, {"data": {"status": "accepted"}})
    answers = [await resets(world, token, key="k2") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[1].headers["idempotency-replayed"] == "true"
    assert await audited(world, "auth.password_reset") == 1


# Given by an admin


async def test_a_temporary_password_opens_a_session_that_may_only_set_another_one(world: World) -> None:
    admin, sam = await an_admin(world), await a_store(world)
    answer = await is_given_a_temporary_one(admin, sam)
    given = answer.json()["data"]
    temporary = given.pop("temporary_password")
    assert (answer.status_code, given) == (200, {"must_change_password": True})
    assert len(temporary) == 16
    assert temporary.isascii()
    assert temporary.isalnum()
    assert await sam.state() is None
    assert (await sam.logs_in()).status_code == 401
    assert (await sam.logs_in(temporary)).json()["data"]["must_change_password"] is True
    before = await sam.hot_copy()
    assert before is not None
    assert before.must_change_password
    assert (await changes(sam, old=temporary)).status_code == 200
    after = await sam.hot_copy()
    assert after is not None
    assert (after.must_change_password, after.jti) == (False, before.jti)
    assert after == await sam.state()
    assert refusal(await Person(world, sam.email).logs_in(temporary)) == (401, "bad_credentials")
    assert len(await world.emitted(SecurityAlert)) == 2
    async with world.db.reader() as db:
        row = await db.fetchrow("select * from audit_logs where action = 'user.password_reset'")
    assert row is not None
    assert (row["actor_user_id"], row["target_id"]) == (admin.claims.user_id, sam.claims.user_id)
    assert temporary not in str(dict(row))


async def test_a_temporary_password_is_good_for_a_day(world: World) -> None:
    admin, sam = await an_admin(world), await a_store(world)
    temporary = (await is_given_a_temporary_one(admin, sam)).json()["data"]["temporary_password"]
    world.clock.turn(timedelta(hours=24))
    before = hashes()
    assert refusal(await sam.logs_in(temporary)) == (401, "bad_credentials")
    assert hashes() - before == 1, "as for every other wrong password"


async def test_a_temporary_password_is_told_once_and_stored_nowhere(world: World) -> None:
    admin, sam = await an_admin(world), await a_store(world)
    first, again = [await is_given_a_temporary_one(admin, sam, key="k1") for _ in range(2)]
    assert again.json() == {"data": {"must_change_password": True}}
    async with world.db.reader() as db:
        stored = await db.fetchval("select string_agg(convert_from(body, 'utf8'), '') from idempotency_records")
    assert first.json()["data"]["temporary_password"] not in stored


async def test_admins_are_told_when_there_is_no_such_user_and_others_nothing(world: World) -> None:
    admin, sam = await an_admin(world), await a_store(world)
    before = hashes()
    path = f"/api/v1/admin/users/{uuid4()}/reset-password"
    assert (await admin.does("POST", path)).status_code == 404
    assert refusal(await sam.does("POST", path)) == (403, "role_missing")
    assert hashes() == before


async def test_no_password_or_one_time_token_is_ever_logged(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    admin, sam = await an_admin(world), await a_store(world)
    await changes(sam, new="Changed-Canary-1")
    token = await a_token(world, sam)
    await resets(world, token, "Reset-Canary-2")
    temporary = (await is_given_a_temporary_one(admin, sam)).json()["data"]["temporary_password"]
    output = "".join(capfd.readouterr())
    assert "request.complete" in output
    secrets = ("Changed-Canary-1", "Reset-Canary-2", token, temporary, sam.email)
    assert [secret for secret in secrets if secret in output] == []
