"""Keys of one purpose that sign one after another: next, current, previous, gone (spec 1.6, reliability 3.12).

The file is a JWK set whose members tell from when they sign. Everything else follows from these instants and the
clock, so every process changes over at the same moment and none has to be restarted. A file with a single JWK is a
ring of one. Every `now` is in seconds since 1970.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from chassis.auth.files import Watched, read_private, replace_file
from chassis.auth.keys import SigningKey, public_keys

PUBLISHED_AHEAD_SECONDS = 10 * 60
PUBLISHED_AFTER_SECONDS = 24 * 60 * 60
KNOWN_AFTER_SECONDS = 90 * 24 * 60 * 60
_SIGNS_FROM = "signs_from"


@dataclass(frozen=True, slots=True)
class _Member:
    """A key of the ring and the time it signs in; `signing` is None once its private half is gone."""

    jwk: Mapping[str, Any]
    signing: SigningKey | None
    signs_from: float
    signs_until: float


class KeyRing:
    """The keys of a file, read again as soon as it changes."""

    def __init__(self, path: Path) -> None:
        self._file = Watched(path, _read)

    def signing(self, now: float) -> SigningKey:
        """The key whose turn it is."""
        able = [(member.signs_from, member.signing) for member in self._file.value if member.signing is not None]
        begun = [key for signs_from, key in able if signs_from <= now]
        return begun[-1] if begun else able[0][1]

    def published(self, now: float) -> dict[str, list[Mapping[str, Any]]]:
        """The JWKS document: keys that sign now, that will sign next, and that have signed within 24 h."""
        return {"keys": self._kept(now, PUBLISHED_AFTER_SECONDS)}

    def known(self, now: float) -> dict[str, Ed25519PublicKey]:
        """Public keys by id, those that have signed within 90 d among them: for bearers that may be expired."""
        return public_keys({"keys": self._kept(now, KNOWN_AFTER_SECONDS)})

    def _kept(self, now: float, seconds: float) -> list[Mapping[str, Any]]:
        return [member.jwk for member in self._file.value if member.signs_until + seconds > now]


def rotate_ring(path: Path, *, now: float) -> SigningKey:
    """Add a key that is published at once and signs in ten minutes. Its predecessor keeps its private half until then.

    Raises ValueError while the last key that was added still waits for its turn.
    """
    members = _read(path)
    if members[-1].signs_from > now:
        raise ValueError("the last key that was added does not sign yet")
    key = SigningKey.generate()
    listed = [_written(member) for member in members if member.signs_until + KNOWN_AFTER_SECONDS > now]
    listed[-1] = {**listed[-1], **_private(members[-1])}
    listed.append({**key.private_jwk(), _SIGNS_FROM: math.ceil(now) + PUBLISHED_AHEAD_SECONDS})
    replace_file(path, {"keys": listed}, mode=0o600)
    return key


def _written(member: _Member) -> dict[str, Any]:
    return {**member.jwk, _SIGNS_FROM: member.signs_from}


def _private(member: _Member) -> dict[str, str]:
    return member.signing.private_jwk() if member.signing else {}


def _read(path: Path) -> list[_Member]:
    """In the order in which they sign. Raises ValueError for a file that is no ring, or whose last key cannot sign."""
    document = read_private(path)
    listed = document.get("keys", [document]) if isinstance(document, dict) else None
    if not isinstance(listed, list) or not listed or not all(isinstance(jwk, dict) for jwk in listed):
        raise ValueError(f"{path}: not a key or a set of keys")
    listed.sort(key=_begin)
    ends = [_begin(later) for _, later in pairwise(listed)] + [math.inf]
    if "d" not in listed[-1]:
        raise ValueError(f"{path}: the last key has no private half")
    return [_member(jwk, signs_until) for jwk, signs_until in zip(listed, ends, strict=True)]


def _member(jwk: Mapping[str, Any], signs_until: float) -> _Member:
    signing = SigningKey.from_jwk(jwk) if "d" in jwk else None
    public = signing.public_jwk() if signing else {name: value for name, value in jwk.items() if name != _SIGNS_FROM}
    return _Member(public, signing, _begin(jwk), signs_until)


def _begin(jwk: Mapping[str, Any]) -> float:
    begin = jwk.get(_SIGNS_FROM, 0)
    if type(begin) not in {int, float}:
        raise ValueError(f"{_SIGNS_FROM} is no instant")
    return float(begin)
