"""Keys live in files that only their owner reads; who is trusted can change while a process runs."""

import json
import os
from pathlib import Path

import pytest

from chassis.auth import SigningKey, Trust, init_keys, jwks, key_path, public_keys, rotate_key, trust_path


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    init_keys(tmp_path, ["gateway", "orders"])
    return tmp_path


def test_a_kid_is_the_rfc_7638_thumbprint_of_its_key() -> None:
    """The example of RFC 8037, appendix A."""
    jwk = {
        "kty": "OKP",
        "crv": "Ed25519",
        "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    }
    assert SigningKey.from_jwk(jwk).kid == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_making_keys_twice_changes_nothing(directory: Path) -> None:
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    init_keys(directory, ["gateway", "orders"])
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before


def test_a_new_service_joins_without_touching_the_others(directory: Path) -> None:
    orders = SigningKey.load(key_path(directory, "orders")).kid
    assert init_keys(directory, ["catalog"]) == {"catalog": directory / "packhouse-catalog.jwk.json"}
    trust = Trust(trust_path(directory))
    assert trust.issuer(orders) == "packhouse-orders"
    assert len(trust.keys("packhouse-catalog")) == 1


def test_private_keys_are_written_for_their_owner_only_and_refused_when_others_can_read_them(directory: Path) -> None:
    path = key_path(directory, "orders")
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    with pytest.raises(ValueError, match="mode 600"):
        SigningKey.load(path)


def test_a_key_never_shows_its_private_half(directory: Path) -> None:
    key = SigningKey.load(key_path(directory, "orders"))
    shown = f"{key!r} {jwks([key])} {trust_path(directory).read_text()}"
    assert key.private_jwk()["d"] not in shown
    assert "private" not in repr(key)


def test_two_halves_of_different_keys_are_refused() -> None:
    jwk = SigningKey.generate().private_jwk() | {"x": SigningKey.generate().public_jwk()["x"]}
    with pytest.raises(ValueError, match="halves"):
        SigningKey.from_jwk(jwk)


def test_after_a_rotation_the_old_key_and_the_new_one_count_and_after_the_next_the_old_one_is_gone(
    directory: Path,
) -> None:
    trust = Trust(trust_path(directory))
    first = SigningKey.load(key_path(directory, "orders"))
    second = rotate_key(directory, "orders")
    assert set(trust.keys("packhouse-orders")) == {first.kid, second.kid}
    assert SigningKey.load(key_path(directory, "orders")).kid == second.kid
    third = rotate_key(directory, "orders")
    assert set(trust.keys("packhouse-orders")) == {second.kid, third.kid}
    assert trust.issuer(first.kid) is None


@pytest.mark.parametrize(
    "broken", ["", "{", "[]", '{"packhouse-orders": 1}', '{"packhouse-orders": [{"crv": "Ed25519"}]}']
)
def test_a_trust_file_that_becomes_unreadable_signs_nobody_out(directory: Path, broken: str) -> None:
    path = trust_path(directory)
    trust = Trust(path)
    kid = SigningKey.load(key_path(directory, "orders")).kid
    path.write_text(broken)
    assert kid in trust.keys("packhouse-orders")
    path.unlink()
    assert kid in trust.keys("packhouse-orders")


def test_a_third_key_of_one_issuer_is_a_mistake(directory: Path) -> None:
    path = trust_path(directory)
    keys = [SigningKey.generate().public_jwk() for _ in range(3)]
    path.write_text(json.dumps({"packhouse-orders": keys}))
    with pytest.raises(ValueError, match="more than 2 keys"):
        Trust(path)


def test_a_changed_trust_file_counts_even_when_its_time_stamp_is_set_back(directory: Path) -> None:
    path = trust_path(directory)
    trust = Trust(path)
    before = path.stat()
    key = rotate_key(directory, "orders")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert key.kid in trust.keys("packhouse-orders")


def test_a_key_set_with_a_kid_that_is_not_its_keys_is_refused_and_other_kinds_of_keys_are_skipped() -> None:
    key = SigningKey.generate()
    document = jwks([key])
    rsa = {"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "rsa"}
    assert set(public_keys({"keys": [*document["keys"], rsa]})) == {key.kid}
    with pytest.raises(ValueError, match="thumbprint"):
        public_keys({"keys": [document["keys"][0] | {"kid": "mine"}]})
