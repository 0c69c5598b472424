"""The keys of a stack: made once, and those of access tokens rotated by the clock (spec 1.6)."""

from datetime import timedelta
from pathlib import Path

import pytest

from chassis.auth import KeyRing, SigningKey
from chassis.clock import SystemClock
from packhouse.keys import access_key_path, ensure_keys, rotate_access
from packhouse.processes import StackError


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


def test_a_folder_without_keys_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="No such file"):
        rotate_access(tmp_path, SystemClock())
