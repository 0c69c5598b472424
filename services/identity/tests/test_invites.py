"""An invitation lets one person into one store, once (spec 2.2; F-A7, F-A11)."""

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import httpx
import pytest

from chassis.telemetry.metrics import rendered
from contracts.identity import UserChanged
from identity.clients.mail import RecordingMailer
from testkit.world import World

from .people import PASSWORD, Person, a_colleague, a_store, an_invite, directly


def _refusal(answer: httpx.Response) -> tuple[int, str | None]:
    return answer.status_code, answer.json()["error"].get("reason")


def _hashes() -> float:
    lines = rendered().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("password_hashes_total "))


async def _people(owner: Person) -> list[tuple[str, str, str]]:
    answer = await owner.does("GET", "/api/v1/stores/me/users")
    assert answer.status_code == 200, answer.text
    return [(one["email"], one["role"], one["membership_status"]) for one in answer.json()["data"]["items"]]


async def _password_hash(world: World, email: str) -> str:
    async with world.db.reader() as db:
        return str(await db.fetchval("select password_hash from users where email = $1", email))


async def test_an_invited_person_makes_an_account_and_belongs_to_the_store(world: World) -> None:
    owner, kim = await a_store(world, company_name="Green Leaf"), Person(world, "kim@example.net")
    answer = await owner.invites("Kim@Example.net ", "ops")
    assert answer.status_code == 201, answer.text
    invite = answer.json()["data"]["invite"]
    assert (invite["email"], invite["role"], invite["membership_status"]) == ("kim@example.net", "ops", "invited")
    assert (invite["user_id"], invite["membership_id"], invite["store_id"]) == (None, None, str(owner.claims.store_id))
    assert await _people(owner) == [(owner.email, "owner", "active"), ("kim@example.net", "ops", "invited")]

    joined = await kim.accepts(answer.json()["data"]["invite_token"], last_name="Stone")
    assert joined.status_code == 200, joined.text
    data = joined.json()["data"]
    assert (data["user"]["first_name"], data["user"]["last_name"]) == ("Kim", "Stone")
    assert [(store["name"], store["role"]) for store in data["stores"]] == [("Green Leaf", "ops")]
    assert (kim.claims.store_id, kim.claims.role) == (owner.claims.store_id, "ops")
    assert (await kim.refreshes()).status_code == 200
    assert await _people(owner) == [(owner.email, "owner", "active"), ("kim@example.net", "ops", "active")]
    assert (await world.emitted(UserChanged))[-1].user_id == kim.claims.user_id
    assert (await kim.logs_in()).status_code == 200


async def test_invite_cannot_take_over_existing_account(world: World) -> None:
    owner, kim = await a_store(world), await a_store(world)
    before = await _password_hash(world, kim.email)
    _, token = await an_invite(owner, kim.email)
    thief = Person(world, kim.email, ip="198.51.100.1")
    refused = await thief.accepts(token, "a password of the thief", first_name="Mallory")
    assert _refusal(refused) == (401, "bad_credentials")
    assert "x-pf-token" not in refused.headers
    assert await _password_hash(world, kim.email) == before
    assert await kim.state() is not None, "an attempt signs nobody out"
    assert _refusal(await kim.switches(owner.claims.store_id)) == (403, "role_missing")

    home = kim.claims.store_id
    assert (await kim.accepts(token)).status_code == 200, "the attempt has not used the invitation up"
    assert (kim.claims.store_id, kim.claims.role) == (owner.claims.store_id, "staff")
    assert await _password_hash(world, kim.email) == before
    assert (await kim.logs_in("a password of the thief")).status_code == 401
    assert (await kim.logs_in()).json()["data"]["user"]["first_name"] == "Sam"
    assert {store["id"] for store in (await kim.logs_in()).json()["data"]["stores"]} == {
        str(home), str(owner.claims.store_id),
    }  # fmt: skip


async def test_a_locked_out_account_cannot_come_in_by_an_invitation(world: World) -> None:
    owner, kim = await a_store(world), await a_store(world)
    await directly(world, "update users set is_active = false where id = $1", kim.claims.user_id)
    _, token = await an_invite(owner, kim.email)
    assert _refusal(await kim.accepts(token)) == (401, "bad_credentials")


async def test_inviting_tells_nothing_about_accounts(world: World) -> None:
    """F-A7: known and unknown e-mails get the same answer, at the price of no hash; accepting costs one hash each."""
    owner, kim, stranger = await a_store(world), await a_store(world), Person(world)
    before = _hashes()
    answers = [await owner.invites(person.email) for person in (kim, stranger)]
    assert _hashes() == before
    tokens = [answer.json()["data"].pop("invite_token") for answer in answers]
    shown = [answer.json()["data"]["invite"] for answer in answers]
    moving = {"invite_id": "", "email": "", "created_at": "", "expires_at": ""}
    assert shown[0] | moving == shown[1] | moving
    costs = []
    for person, token in zip((kim, stranger), tokens, strict=True):
        before = _hashes()
        assert (await person.accepts(token)).status_code == 200
        costs.append(_hashes() - before)
    assert costs == [1, 1]


async def test_guessing_a_password_by_an_invitation_counts_with_the_log_in(world: World) -> None:
    owner, kim = await a_store(world), await a_store(world)
    _, token = await an_invite(owner, kim.email)
    guessing = Person(world, kim.email, ip="198.51.100.1")
    before = _hashes()
    statuses = [(await guessing.accepts(token, f"guess {number}")).status_code for number in range(6)]
    assert statuses == [401] * 4 + [429] * 2
    assert _hashes() - before == 4
    assert (await guessing.logs_in("another guess")).status_code == 429


@pytest.mark.parametrize(("password", "text"), [("short", "must be at least 8"), ("x" * 129, "must be at most 128")])
async def test_a_new_account_gets_no_password_that_registration_refuses(world: World, password: str, text: str) -> None:
    owner, kim = await a_store(world), Person(world)
    _, token = await an_invite(owner, kim.email)
    answer = await kim.accepts(token, password)
    assert (answer.status_code, answer.json()["error"]["details"]) == (400, {"password": text})
    assert (await kim.accepts(token)).status_code == 200


async def test_an_invitation_works_once(world: World) -> None:
    owner, kim = await a_store(world), Person(world)
    _, token = await an_invite(owner, kim.email)
    assert (await kim.accepts(token)).status_code == 200
    for person in (kim, Person(world)):
        assert _refusal(await person.accepts(token)) == (409, "invite_used")
    await owner.removes(kim)
    assert _refusal(await kim.accepts(token)) == (409, "invite_used"), "it does not bring a removed member back"


async def test_an_invitation_ends_after_seven_days(world: World) -> None:
    owner, kim = await a_store(world), Person(world)
    _, token = await an_invite(owner, kim.email)
    world.clock.turn(timedelta(days=7) - timedelta(minutes=1))
    assert len(await _people(owner)) == 2
    world.clock.turn(timedelta(minutes=2))
    assert _refusal(await kim.accepts(token)) == (409, "invite_expired")
    assert len(await _people(owner)) == 1
    _, fresh = await an_invite(owner, kim.email)
    assert (await kim.accepts(fresh)).status_code == 200


async def test_a_revoked_or_replaced_invitation_is_void(world: World) -> None:
    owner, kim = await a_store(world), Person(world)
    _, first = await an_invite(owner, kim.email)
    invite_id, second = await an_invite(owner, kim.email, "viewer")
    assert [role for _, role, _ in await _people(owner)] == ["owner", "viewer"], "one open invitation per e-mail"
    assert _refusal(await kim.accepts(first)) == (409, "invite_revoked")
    assert (await owner.does("DELETE", f"/api/v1/stores/me/invites/{invite_id}")).status_code == 204
    assert _refusal(await kim.accepts(second)) == (409, "invite_revoked")
    assert (await owner.does("DELETE", f"/api/v1/stores/me/invites/{invite_id}")).status_code == 404
    assert (await Person(world).accepts("x" * 43)).status_code == 404


async def test_an_invitation_is_of_its_store_only(world: World) -> None:
    """F-A11: another store can neither see nor revoke it, and it opens no other store."""
    owner, other, kim = await a_store(world), await a_store(world), Person(world)
    invite_id, token = await an_invite(owner, kim.email)
    foreign = await other.does("DELETE", f"/api/v1/stores/me/invites/{invite_id}")
    unknown = await other.does("DELETE", f"/api/v1/stores/me/invites/{uuid4()}")
    assert foreign.status_code == unknown.status_code == 404
    assert foreign.json()["error"]["message"] == unknown.json()["error"]["message"]
    assert [email for email, _, _ in await _people(other)] == [other.email]
    assert (await kim.accepts(token)).status_code == 200
    assert _refusal(await kim.switches(other.claims.store_id)) == (403, "role_missing")


async def test_what_somebody_may_no_longer_grant_they_cannot_have_promised(world: World) -> None:
    """Who is removed, lowered or locked out leaves no door behind."""
    owner = await a_store(world)
    second, manager, third = [await a_colleague(owner, role) for role in ("owner", "manager", "manager")]
    guests = [Person(world) for _ in range(3)]
    tokens = [
        (await an_invite(second, guests[0].email, "owner"))[1],
        (await an_invite(manager, guests[1].email))[1],
        (await an_invite(third, guests[2].email))[1],
    ]
    assert len(await _people(owner)) == 7
    await owner.gives_role(second, "manager")
    await owner.removes(manager)
    await directly(world, "update users set is_active = false where id = $1", third.claims.user_id)
    for guest, token in zip(guests, tokens, strict=True):
        assert _refusal(await guest.accepts(token)) == (409, "invite_revoked")
    assert {status for _, _, status in await _people(owner)} == {"active"}


async def test_a_member_is_not_invited_again_and_a_former_one_may_be(world: World) -> None:
    owner = await a_store(world)
    kim = await a_colleague(owner, "manager")
    answer = await owner.invites(kim.email)
    assert _refusal(answer) == (409, "duplicate")
    assert answer.json()["error"]["details"] == {"field": "email"}
    assert (await owner.invites(owner.email)).status_code == 409
    await owner.removes(kim)
    back = await a_colleague(owner, "viewer", kim.email)
    assert (back.claims.user_id, back.claims.role) == (kim.claims.user_id, "viewer")


@pytest.mark.plant("an invitation judged before its lock only")
@pytest.mark.parametrize("has_account", [False, True])
async def test_of_several_who_accept_one_invitation_at_once_one_comes_in(world: World, has_account: bool) -> None:
    owner = await a_store(world)
    kim = await a_store(world) if has_account else Person(world)
    _, token = await an_invite(owner, kim.email)
    twins = [Person(world, kim.email) for _ in range(4)]
    async with world.collision("select from stores where id = $1 for update", owner.claims.store_id, waiting=4):
        accepted = [asyncio.create_task(twin.accepts(token)) for twin in twins]
    answers = await asyncio.gather(*accepted)
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    assert {_refusal(answer) for answer in answers if answer.status_code == 409} == {(409, "invite_used")}
    async with world.db.reader() as db:
        assert await db.fetchval("select count(*) from users where email = $1", kim.email) == 1
        assert await db.fetchval("select count(*) from store_invites where accepted_at is not null") == 1


async def test_two_invitations_at_once_leave_one_open(world: World) -> None:
    owner, kim = await a_store(world), Person(world)
    async with world.collision("select from stores where id = $1 for update", owner.claims.store_id, waiting=2):
        invited = [asyncio.create_task(owner.invites(kim.email, role)) for role in ("staff", "ops")]
    answers = await asyncio.gather(*invited)
    assert [answer.status_code for answer in answers] == [201, 201]
    results = sorted([(await kim.accepts(one.json()["data"]["invite_token"])).status_code for one in answers])
    assert results == [200, 409]


async def test_a_repeated_invitation_shows_no_token_and_stores_none(world: World) -> None:
    owner = await a_store(world)
    first = await owner.invites("kim@example.net", key="k1")
    again = await owner.invites("kim@example.net", key="k1")
    assert (again.status_code, again.headers["idempotency-replayed"]) == (201, "true")
    token = first.json()["data"]["invite_token"]
    assert "invite_token" not in again.json()["data"]
    assert again.json()["data"]["invite"] == first.json()["data"]["invite"]
    async with world.db.reader() as db:
        stored = await db.fetchval("select convert_from(body, 'utf8') from idempotency_records where state = 'done'")
        kept = await db.fetchval("select string_agg(i::text, ' ') from store_invites i")
    assert token not in stored
    assert token not in kept


async def test_a_repeated_acceptance_gets_a_fresh_session_and_stores_no_token(world: World) -> None:
    owner, kim = await a_store(world), Person(world)
    _, token = await an_invite(owner, kim.email)
    first = await kim.accepts(token, key="k1")
    first_sid, first_refresh = kim.sid, str(kim.refresh_token)
    again = await kim.accepts(token, key="k1")
    assert (again.status_code, again.headers["idempotency-replayed"]) == (200, "true")
    assert kim.sid != first_sid
    assert again.json()["data"]["user"] == first.json()["data"]["user"]
    async with world.db.reader() as db:
        rows = await db.fetch("select actor_key, convert_from(body, 'utf8') as body from idempotency_records")
    assert not any(secret in str(dict(row)) for row in rows for secret in (first_refresh, token))
    await owner.removes(kim)
    assert (await kim.accepts(token, key="k1")).status_code == 401, "a repeat opens nothing that was closed since"


async def test_with_mail_the_token_goes_out_by_mail_only(world_with_mail: World, mailer: RecordingMailer) -> None:
    owner, kim = await a_store(world_with_mail, company_name="Green Leaf"), Person(world_with_mail)
    answer = await owner.invites(kim.email, key="k1")
    assert (answer.status_code, answer.json()["data"]["invite_token"]) == (201, None)
    (letter,) = mailer.letters
    assert (letter.to, letter.subject) == (kim.email, "Join Green Leaf on Packhouse")
    assert "Kim" not in letter.text
    link = next(line for line in letter.text.splitlines() if line.startswith("https://"))
    page, _, token = link.partition("#token=")
    assert page == "https://app.example/accept-invite"
    assert token not in answer.text
    assert (await kim.accepts(token)).status_code == 200
    await owner.invites(kim.email, key="k1")
    assert len(mailer.letters) == 1, "a repeat sends nothing"


async def test_what_was_refused_sends_no_letter(world_with_mail: World, mailer: RecordingMailer) -> None:
    owner = await a_store(world_with_mail)
    assert (await owner.invites(owner.email)).status_code == 409
    assert (await owner.invites("kim@example.net", "king")).status_code == 400
    assert mailer.letters == []


async def test_nobody_is_flooded_with_invitations(world: World) -> None:
    owner, other = await a_store(world), await a_store(world)
    statuses = [(await owner.invites("kim@example.net")).status_code for _ in range(3)]
    statuses += [(await other.invites("kim@example.net")).status_code for _ in range(3)]
    assert statuses == [201] * 5 + [429]
    assert (await other.invites("max@example.net")).status_code == 201


async def test_invitations_are_audited_without_the_email(world: World) -> None:
    owner, kim = await a_store(world), Person(world)
    invite_id, token = await an_invite(owner, kim.email)
    await kim.accepts(token)
    revoked, _ = await an_invite(owner, "max@example.net")
    await owner.does("DELETE", f"/api/v1/stores/me/invites/{revoked}")
    async with world.db.reader() as db:
        rows = await db.fetch(
            "select action, target_id, actor_user_id, payload::text as payload from audit_logs"
            " where action like 'store.invite%' order by seq"
        )
    assert [(row["action"], row["target_id"], row["actor_user_id"]) for row in rows] == [
        ("store.invite", UUID(invite_id), owner.claims.user_id),
        ("store.invite_accept", UUID(invite_id), None),
        ("store.invite", UUID(revoked), owner.claims.user_id),
        ("store.invite_revoke", UUID(revoked), owner.claims.user_id),
    ]
    assert str(kim.claims.user_id) in rows[1]["payload"]
    assert not any("example.net" in row["payload"] or token in row["payload"] for row in rows)


async def test_nothing_of_an_invitation_is_logged(
    world_with_mail: World, mailer: RecordingMailer, capfd: pytest.CaptureFixture[str]
) -> None:
    owner, kim = await a_store(world_with_mail), Person(world_with_mail)
    await owner.invites(kim.email, last_name="Name-Canary")
    token = mailer.letters[0].text.partition("#token=")[2].split()[0]
    await kim.accepts(token, "Wrong-1")
    assert (await kim.accepts(token)).status_code == 200
    output = "".join(capfd.readouterr())
    assert "request.complete" in output
    secrets = (PASSWORD, "Wrong-1", kim.email, token, "Name-Canary", str(kim.token), str(kim.refresh_token))
    assert [secret for secret in secrets if secret in output] == []


async def test_invitations_are_forgotten_a_month_after_their_last_day(world: World) -> None:
    owner, kim = await a_store(world), Person(world)
    _, token = await an_invite(owner, kim.email)
    await kim.accepts(token)
    await an_invite(owner, "max@example.net")
    world.clock.turn(timedelta(days=36))
    await an_invite(owner, "eve@example.net")
    await world.runs("clean-invites")
    async with world.db.reader() as db:
        assert await db.fetchval("select count(*) from store_invites") == 3
    world.clock.turn(timedelta(days=2))
    assert (await world.runs("clean-invites")).succeeded
    async with world.db.reader() as db:
        rows = await db.fetch("select email from store_invites")
    assert [row["email"] for row in rows] == ["eve@example.net"]
    assert (await Person(world).accepts(token)).status_code == 404
    assert (await kim.logs_in(PASSWORD)).status_code == 200
