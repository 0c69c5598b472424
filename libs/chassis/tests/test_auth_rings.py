"""Keys take turns by the clock: next, current, previous, gone (spec 1.6, reliability 3.12)."""

import json
from itertools import pairwise
from pathlib import Path

import pytest

from chassis.auth import KeyRing, SigningKey, rotate_ring

NOW = 1_764_000_000.0
MINUTE, HOUR, DAY = 60, 3600, 86_400


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "access.jwk.json"
    SigningKey.generate().save(path)
    return path


def published(ring: KeyRing, now: float) -> set[str]:
    return {jwk["kid"] for jwk in ring.published(now)["keys"]}


def test_a_single_key_is_a_ring_of_one(path: Path) -> None:
    ring, key = KeyRing(path), SigningKey.load(path)
    assert ring.signing(NOW).kid == key.kid
    assert published(ring, NOW) == set(ring.known(NOW)) == {key.kid}


def test_a_new_key_is_published_at_once_signs_after_ten_minutes_and_its_predecessor_leaves_in_two_steps(
    path: Path,
) -> None:
    ring, old = KeyRing(path), SigningKey.load(path)
    new = rotate_ring(path, now=NOW)
    begin, both = NOW + 10 * MINUTE, {old.kid, new.kid}
    timetable = [
        (NOW, old, both, both),
        (begin - 1, old, both, both),
        (begin, new, both, both),
        (begin + DAY - 1, new, both, both),
        (begin + DAY, new, {new.kid}, both),
        (begin + 90 * DAY - 1, new, {new.kid}, both),
        (begin + 90 * DAY, new, {new.kid}, {new.kid}),
    ]
    found = [(now, ring.signing(now), published(ring, now), set(ring.known(now))) for now, *_ in timetable]
    assert [(now, key.kid, listed, known) for now, key, listed, known in found] == [
        (now, key.kid, listed, known) for now, key, listed, known in timetable
    ]


def test_a_key_that_has_had_its_turn_loses_its_private_half_and_after_90_days_its_place(path: Path) -> None:
    keys = [SigningKey.load(path)] + [rotate_ring(path, now=NOW + turn * 30 * DAY) for turn in range(5)]
    listed = json.loads(path.read_text())["keys"]
    assert [jwk["kid"] for jwk in listed] == [key.kid for key in keys[1:]]
    assert [("d" in jwk) for jwk in listed] == [False, False, False, True, True]
    assert all(jwk["signs_from"] < later["signs_from"] for jwk, later in pairwise(listed))
    assert path.stat().st_mode & 0o777 == 0o600
    ring, later = KeyRing(path), NOW + 125 * DAY
    assert ring.signing(later).kid == keys[-1].kid
    assert published(ring, later) == {keys[-1].kid}


def test_nothing_that_is_published_or_shown_has_a_private_half(path: Path) -> None:
    private = [SigningKey.load(path).private_jwk()["d"], rotate_ring(path, now=NOW).private_jwk()["d"]]
    ring = KeyRing(path)
    shown = f"{ring.published(NOW)} {ring.known(NOW)} {ring.signing(NOW)}"
    assert not [half for half in private if half in shown]


def test_a_second_rotation_waits_until_the_first_has_been_carried_out(path: Path) -> None:
    first = rotate_ring(path, now=NOW)
    with pytest.raises(ValueError, match="does not sign yet"):
        rotate_ring(path, now=NOW + 9 * MINUTE)
    assert KeyRing(path).signing(NOW + HOUR).kid == first.kid
    rotate_ring(path, now=NOW + 10 * MINUTE)


@pytest.mark.parametrize("broken", ["", "{", "[]", "{}", '{"keys": []}', '{"keys": [1]}', '{"keys": {}}'])
def test_a_file_that_becomes_unreadable_changes_nothing_and_starts_nothing(path: Path, broken: str) -> None:
    ring, key = KeyRing(path), SigningKey.load(path)
    path.write_text(broken)
    assert ring.signing(NOW).kid == key.kid
    with pytest.raises(ValueError, match=r".+"):
        KeyRing(path)


@pytest.mark.parametrize("signs_from", ["soon", True, None])
def test_a_turn_that_begins_at_no_instant_is_refused(path: Path, signs_from: object) -> None:
    rotate_ring(path, now=NOW)
    listed = json.loads(path.read_text())["keys"]
    path.write_text(json.dumps({"keys": [listed[0], {**listed[1], "signs_from": signs_from}]}))
    with pytest.raises(ValueError, match="signs_from"):
        KeyRing(path)


def test_a_ring_whose_last_key_cannot_sign_or_that_others_can_read_is_refused(path: Path) -> None:
    rotate_ring(path, now=NOW)
    first, last = json.loads(path.read_text())["keys"]
    path.write_text(json.dumps({"keys": [first, {name: value for name, value in last.items() if name != "d"}]}))
    with pytest.raises(ValueError, match="no private half"):
        KeyRing(path)
    path.chmod(0o644)
    with pytest.raises(ValueError, match="mode 600"):
        KeyRing(path)
