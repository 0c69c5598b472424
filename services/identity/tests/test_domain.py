"""The pure parts: names, standing, tokens."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity.domain.letters import way_in
from identity.domain.members import Invite, may_appoint
from identity.domain.names import company_key, normal_email
from identity.domain.passwords import reset_letter
from identity.domain.sessions import Change, Family, RefreshToken, Reuse, judge_reuse
from identity.domain.standing import effective_kyc, effective_subscription, override_is_over, recomputed_kyc
from identity.domain.tokens import Secret, access_token_id, successor_token, token_hash
from kernel.scope import Kyc, Role

SECRET = Secret(b"a key of the server, 32 characters")
NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
texts = st.text(max_size=30)
days = st.dates(date(2025, 1, 1), date(2027, 12, 31))


@given(texts)
def test_a_normal_form_is_its_own_normal_form(text: str) -> None:
    assert company_key(company_key(text)) == company_key(text)
    assert normal_email(normal_email(text)) == normal_email(text)


@given(st.lists(st.text("abcÉßﬁΣ", min_size=1), min_size=1, max_size=4))
def test_case_and_blanks_make_no_other_company(words: list[str]) -> None:
    name = " ".join(words)
    assert company_key(f"  {name.upper()}\t") == company_key(name) == company_key("   ".join(words))


def test_look_alike_letters_make_no_other_company() -> None:
    assert company_key("\N{FULLWIDTH LATIN CAPITAL LETTER G}reen Lea\N{FULLWIDTH LATIN SMALL LETTER F}") == company_key(
        "Green Leaf"
    )
    assert company_key("Green Leaf") != company_key("Green Leaf 2")


@given(st.sampled_from(Kyc), st.sampled_from([None, Kyc.VERIFIED]))
def test_suspended_is_never_overwritten(recorded: Kyc, override: Kyc | None) -> None:
    standing = effective_kyc(recorded, override)
    assert (standing is Kyc.SUSPENDED) == (recorded is Kyc.SUSPENDED)
    assert standing in {recorded, override}


@given(st.sets(st.sampled_from(["verified", "pending", "rejected", "expired"])))
def test_licences_say_the_best_that_any_of_them_says(statuses: set[str]) -> None:
    order = ["verified", "pending", "rejected", "expired"]
    best = min(statuses, key=order.index, default="pending")
    assert recomputed_kyc(statuses) == {"pending": "pending_verification"}.get(best, best)


@given(st.booleans(), st.sampled_from([None, "active"]))
def test_a_complimentary_subscription_never_ends_a_paid_one(billed: bool, override: str | None) -> None:
    assert effective_subscription(billed=billed, override=override) == (billed or override is not None)


@given(st.none() | days, days)
def test_an_override_is_good_through_its_last_day(until: date | None, today: date) -> None:
    assert override_is_over(until, today) == (until is not None and today > until)


@given(st.uuids(), st.integers(1, 9), st.text(min_size=1, max_size=50))
def test_a_successor_follows_from_the_exchange_and_from_nothing_else(family: UUID, generation: int, token: str) -> None:
    successor = successor_token(SECRET, family, generation, token)
    assert successor == successor_token(SECRET, family, generation, token)
    assert len(successor) == 43
    others = {
        successor_token(Secret(b"another key"), family, generation, token),
        successor_token(SECRET, uuid4(), generation, token),
        successor_token(SECRET, family, generation + 1, token),
        successor_token(SECRET, family, generation, token + "x"),
    }
    assert successor not in others
    assert len(others) == 4


def test_all_answers_of_one_generation_carry_one_token_id() -> None:
    family = uuid4()
    assert access_token_id(family, 3) == access_token_id(family, 3)
    assert len({access_token_id(family, generation) for generation in range(1, 50)}) == 49


@pytest.mark.parametrize("app_url", [None, "https://app.example", "https://app.example/"])
def test_a_letter_about_a_forgotten_password_says_what_to_do_and_names_nobody(app_url: str | None) -> None:
    letter = reset_letter("sam@example.net", "one-time", app_url)
    way = "https://app.example/reset-password#token=one-time" if app_url else "one-time"
    assert way in letter.text.splitlines()
    assert "sam@example.net" not in letter.text + letter.subject


def _family(generation: int) -> Family:
    return Family.model_validate(
        {
            **dict.fromkeys(Family.model_fields),
            "id": uuid4(),
            "user_id": uuid4(),
            "generation": generation,
            "membership_version": 1,
            "must_change_password": False,
            "created_at": NOW,
            "rotated_at": NOW,
            "user_is_active": True,
            "now": NOW,
        }
    )


def _used(generation: int, *, ago: float, by: str, successor: bytes | None) -> RefreshToken:
    used_at = NOW - timedelta(seconds=ago)
    return RefreshToken(
        hash=token_hash("t"), family=uuid4(), generation=generation, used_at=used_at, used_by=by, successor=successor
    )


@given(st.integers(1, 4), st.floats(0, 20), st.sampled_from(["me", "other"]), st.booleans())
def test_only_the_same_client_may_repeat_the_latest_exchange_for_ten_seconds(
    generation: int, ago: float, by: str, has_successor: bool
) -> None:
    token = _used(generation, ago=ago, by=by, successor=b"next" if has_successor else None)
    verdict = judge_reuse(token, _family(generation=4), "me")
    in_time_and_ours = generation == 3 and by == "me" and NOW - token.used_at <= timedelta(seconds=10)
    assert (verdict is not Reuse.THEFT) == in_time_and_ours
    assert (verdict is Reuse.REPEAT) == (in_time_and_ours and has_successor)


def test_a_session_ends_by_idleness_age_and_the_users_end() -> None:
    alive = _family(1)
    assert not alive.is_over
    assert alive.model_copy(update={"now": NOW + timedelta(days=30)}).is_over
    rotated = {"now": NOW + timedelta(days=90), "rotated_at": NOW + timedelta(days=89)}
    assert alive.model_copy(update=rotated).is_over
    assert alive.model_copy(update={"user_is_active": False}).as_state().revoked


@given(st.sets(st.integers(0, 5)), st.sets(st.integers(0, 5)), st.sets(st.integers(0, 5)))
def test_a_change_is_certain_only_when_no_older_copy_can_be_believed(
    marked: set[int], touched: set[int], shown: set[int]
) -> None:
    ids = [UUID(int=number) for number in range(6)]
    change = Change("nonce", frozenset(ids[number] for number in marked))
    unmarked = change.touch(ids[number] for number in touched)
    change.shown = frozenset(ids[number] for number in shown)
    assert unmarked == {ids[number] for number in touched - marked}
    assert change.is_certain == (touched <= marked | shown)


def test_only_an_owner_makes_an_owner() -> None:
    appoint = {(actor, role) for actor in (*Role, None) for role in Role if may_appoint(actor, role)}
    by_manager = {(Role.MANAGER, role) for role in Role if role is not Role.OWNER}
    assert appoint == {(Role.OWNER, role) for role in Role} | by_manager


def _invite(**facts: object) -> Invite:
    given = {
        "id": uuid4(), "store_id": uuid4(), "store_name": "Leaf", "email": "kim@example.net", "first_name": "Kim",
        "last_name": "Vale", "role": Role.STAFF, "inviter_role": Role.MANAGER, "expires_at": NOW + timedelta(days=7),
        "accepted_at": None, "revoked_at": None, "created_at": NOW, "now": NOW,
    }  # fmt: skip
    return Invite.model_validate({**given, **facts})


def test_an_invitation_is_closed_for_the_first_reason_that_holds() -> None:
    end = NOW + timedelta(days=7)
    assert _invite(now=end - timedelta(seconds=1)).closed is None
    assert _invite(now=end).closed == "invite_expired"
    for lost in ({"inviter_role": None}, {"inviter_role": Role.OPS}, {"role": Role.OWNER}, {"revoked_at": NOW}):
        assert _invite(**lost).closed == _invite(**lost, now=end).closed == "invite_revoked"
    assert _invite(accepted_at=NOW, inviter_role=None, now=end).closed == "invite_used"


def test_a_token_in_a_link_is_sent_to_no_server() -> None:
    assert way_in("https://app.example/", "accept-invite", "abc") == "https://app.example/accept-invite#token=abc"
    assert way_in(None, "accept-invite", "abc") == "abc"
