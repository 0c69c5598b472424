"""Ed25519 keys as JWK files, the trust file that tells whose public keys count, and their rotation (spec 1.6,
reliability 3.12).

A key's id is its RFC 7638 thumbprint, so it follows from the key and cannot be chosen.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from chassis.auth.files import Watched, read_private, replace_file

ISSUER_PREFIX = "packhouse-"
KEYS_PER_ISSUER_MAX = 2


def issuer_of(service: str) -> str:
    """The `iss` a service signs with, which is also its name in the trust file."""
    return f"{ISSUER_PREFIX}{service.removeprefix(ISSUER_PREFIX)}"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key and its id. `repr` shows the id only."""

    private: Ed25519PrivateKey
    kid: str

    @classmethod
    def generate(cls) -> "SigningKey":
        return cls._of(Ed25519PrivateKey.generate())

    @classmethod
    def load(cls, path: Path) -> "SigningKey":
        """Raises ValueError for a file that others may read or change, or that holds no Ed25519 private JWK."""
        return cls.from_jwk(read_private(path))

    @classmethod
    def from_jwk(cls, jwk: Mapping[str, Any]) -> "SigningKey":
        key = cls._of(Ed25519PrivateKey.from_private_bytes(_decoded(jwk, "d")))
        if _thumbprint(_decoded(jwk, "x")) != key.kid:
            raise ValueError("the two halves of the key do not belong together")
        return key

    @classmethod
    def _of(cls, private: Ed25519PrivateKey) -> "SigningKey":
        return cls(private, _thumbprint(private.public_key().public_bytes_raw()))

    def public_jwk(self) -> dict[str, str]:
        x = _encoded(self.private.public_key().public_bytes_raw())
        return {"kty": "OKP", "crv": "Ed25519", "x": x, "kid": self.kid, "use": "sig", "alg": "EdDSA"}

    def private_jwk(self) -> dict[str, str]:
        return {**self.public_jwk(), "d": _encoded(self.private.private_bytes_raw())}

    def save(self, path: Path) -> None:
        """Replace the file as a whole; it is never readable by others, not even while it is written."""
        replace_file(path, self.private_jwk(), mode=0o600)

    def __repr__(self) -> str:
        return f"SigningKey(kid={self.kid})"


class Trust:
    """Public keys by issuer, read again as soon as the file changes."""

    def __init__(self, path: Path) -> None:
        self._file = Watched(path, _read_trust)

    def keys(self, issuer: str | None) -> Mapping[str, Ed25519PublicKey]:
        """The issuer's keys by id; none for an issuer that is not trusted."""
        return self._file.value.get(issuer or "", {})

    def issuer(self, kid: str | None) -> str | None:
        """Who signs with this key."""
        return next((issuer for issuer, keys in self._file.value.items() if kid in keys), None)


def public_keys(jwk_set: Mapping[str, Any]) -> dict[str, Ed25519PublicKey]:
    """The keys of a JWKS document by id. Keys of other kinds are skipped; raises ValueError when it is no key set."""
    keys = jwk_set.get("keys") if isinstance(jwk_set, Mapping) else None
    if not isinstance(keys, list):
        raise ValueError("not a key set")  # noqa: TRY004  one kind of failure for all that is wrong with a document
    return dict(_public(jwk) for jwk in keys if isinstance(jwk, dict) and jwk.get("crv") == "Ed25519")


def jwks(keys: Iterable[SigningKey]) -> dict[str, list[dict[str, str]]]:
    """The JWKS document of these keys: public halves only."""
    return {"keys": [key.public_jwk() for key in keys]}


def key_path(directory: Path, issuer: str) -> Path:
    return directory / f"{issuer_of(issuer)}.jwk.json"


def trust_path(directory: Path) -> Path:
    return directory / "trust.json"


def init_keys(directory: Path, issuers: Sequence[str]) -> dict[str, Path]:
    """A key file for each issuer that has none, and the trust file over them all; doing it again changes nothing.

    Issuers are names of services. The answer maps each to its key file.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    trusted = _stored_trust(directory)
    for issuer in issuers:
        path = key_path(directory, issuer)
        if not path.exists():
            SigningKey.generate().save(path)
        _accept(trusted, issuer_of(issuer), SigningKey.load(path))
    replace_file(trust_path(directory), trusted, mode=0o644)
    return {issuer: key_path(directory, issuer) for issuer in issuers}


def rotate_key(directory: Path, issuer: str) -> SigningKey:
    """A new key for the issuer. Its predecessor stays trusted until the next rotation, and the new one is trusted
    before it stands in the key file, so that a process that starts in between signs with a key that everybody knows.
    """
    trusted, key = _stored_trust(directory), SigningKey.generate()
    _accept(trusted, issuer_of(issuer), key)
    replace_file(trust_path(directory), trusted, mode=0o644)
    key.save(key_path(directory, issuer))
    return key


def _accept(trusted: dict[str, list[Any]], issuer: str, key: SigningKey) -> None:
    others = [jwk for jwk in trusted.get(issuer, []) if jwk["kid"] != key.kid]
    trusted[issuer] = [key.public_jwk(), *others][:KEYS_PER_ISSUER_MAX]


def _stored_trust(directory: Path) -> dict[str, list[Any]]:
    path = trust_path(directory)
    stored: dict[str, list[Any]] = json.loads(path.read_text()) if path.exists() else {}
    return stored


def _read_trust(path: Path) -> dict[str, dict[str, Ed25519PublicKey]]:
    document = json.loads(path.read_text())
    if not isinstance(document, dict) or not all(isinstance(listed, list) for listed in document.values()):
        raise ValueError("the trust file is no object of lists")
    too_many = [issuer for issuer, listed in document.items() if len(listed) > KEYS_PER_ISSUER_MAX]
    if too_many:
        raise ValueError(f"more than {KEYS_PER_ISSUER_MAX} keys: {too_many}")
    return {issuer: public_keys({"keys": listed}) for issuer, listed in document.items()}


def _public(jwk: Mapping[str, Any]) -> tuple[str, Ed25519PublicKey]:
    raw = _decoded(jwk, "x")
    kid = _thumbprint(raw)
    if jwk.get("kid", kid) != kid:
        raise ValueError("kid is not the thumbprint of its key")
    return kid, Ed25519PublicKey.from_public_bytes(raw)


def _thumbprint(raw: bytes) -> str:
    """RFC 7638 over the members of an OKP key, in their order of names (RFC 8037, appendix A.3)."""
    members = {"crv": "Ed25519", "kty": "OKP", "x": _encoded(raw)}
    return _encoded(sha256(json.dumps(members, separators=(",", ":")).encode()).digest())


def _encoded(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decoded(jwk: Mapping[str, Any], name: str) -> bytes:
    value = jwk.get(name)
    if jwk.get("kty") != "OKP" or jwk.get("crv") != "Ed25519" or not isinstance(value, str):
        raise ValueError("not an Ed25519 key")
    return urlsafe_b64decode(value + "=" * (-len(value) % 4))
