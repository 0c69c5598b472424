"""The keys of a stack: made once, and those of access tokens rotated by the clock (spec 1.6)."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from chassis.auth import KeyRing, SigningKey
from chassis.clock import SystemClock
from packhouse.keys import access_key_path, ensure_keys, rotate_access, write_variables
from packhouse.processes import StackError
from packhouse.storage_account import storage_account_path


def test_access_keys_are_rotated_once_in_ten_minutes(tmp_path: Path) -> None:
    ensure_keys(tmp_path, ["identity"])
    clock, ring = SystemClock(), KeyRing(access_key_path(tmp_path))
    old, new = SigningKey.load(access_key_path(tmp_path)), rotate_access(tmp_path, clock)
    assert ring.signing(clock.now().timestamp()).kid == old.kid
    with pytest.raises(StackError, match="does not sign yet"):
        rotate_access(tmp_path, clock)
    clock.turn(timedelta(minutes=11))
    assert ring.signing(clock.now().timestamp()).kid == new.kid
    ensure_keys(tmp_path, ["identity"])
    assert rotate_access(tmp_path, clock).kid != new.kid


def test_only_media_is_told_of_the_key_that_signs_for_the_store(tmp_path: Path) -> None:
    services = ("identity", "media")
    ensure_keys(tmp_path, services)
    write_variables(tmp_path, services, "postgresql://127.0.0.1/packhouse")
    account = json.loads(storage_account_path(tmp_path).read_text())
    told = {one: str(storage_account_path(tmp_path)) in (tmp_path / f"{one}.env").read_text() for one in services}
    assert told == {"identity": False, "media": True}
    assert (account["type"], storage_account_path(tmp_path).stat().st_mode & 0o777) == ("service_account", 0o600)
    assert account["private_key"].startswith("-----BEGIN PRIVATE KEY-----")


def test_the_stores_key_is_made_once(tmp_path: Path) -> None:
    ensure_keys(tmp_path, ("media",))
    before = storage_account_path(tmp_path).read_text()
    ensure_keys(tmp_path, ("media",))
    assert storage_account_path(tmp_path).read_text() == before


def test_a_folder_without_keys_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="No such file"):
        rotate_access(tmp_path, SystemClock())
