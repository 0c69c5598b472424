"""The only module that signs, opens or parses a token.

pyjwt checks the signature; what it lets through is refused here: foreign header fields, a wrong or missing `typ`,
JSON with duplicate names or NaN, payloads that are no object, and anything longer than 8 KiB. Claims are checked by
`chassis.auth.claims`.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as BinasciiError
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NoReturn

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from jwt import PyJWTError
from jwt.api_jws import PyJWS
from pydantic_core import to_json

from chassis.auth.keys import SigningKey
from kernel.refusal import Unauthenticated

TOKEN_LENGTH_MAX = 8192
_ALGORITHM = "EdDSA"
_HEADER_FIELDS = {"alg", "typ", "kid"}
_jws = PyJWS(algorithms=[_ALGORITHM])


def sign(key: SigningKey, typ: str, claims: Mapping[str, Any]) -> str:
    """A compact token over the claims that are not None."""
    present = {name: value for name, value in claims.items() if value is not None}
    signed = f"{_written_header(typ, key.kid)}.{_encoded(to_json(present))}"
    return f"{signed}.{_encoded(key.private.sign(signed.encode()))}"


def opened(keys: Mapping[str, Ed25519PublicKey], token: str | None, typ: str) -> dict[str, Any]:
    """The payload of a token that one of the keys has signed and whose type is `typ`. Raises Unauthenticated
    otherwise.
    """
    if not token:
        raise Unauthenticated("token_missing")
    header = _header(token)
    key = keys.get(header["kid"])
    if key is None or header["typ"] != typ:
        refuse()
    try:
        return _object(_jws.decode_complete(token, key, [_ALGORITHM])["payload"])
    except (PyJWTError, ValueError, RecursionError):
        refuse()


def kid_of(token: str) -> str | None:
    """The key id that a well-formed token names, unverified: good for asking whether the key is known, for nothing
    else.
    """
    try:
        kid = _header(token)["kid"]
    except Unauthenticated:
        return None
    return kid if isinstance(kid, str) else None


def bearer(authorization: str | None) -> str | None:
    """The token of an Authorization header; None when there is none, or it is of another scheme."""
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def refuse() -> NoReturn:
    raise Unauthenticated("token_invalid") from None


@lru_cache(maxsize=64)
def _written_header(typ: str, kid: str) -> str:
    """The first part of every token of this type and key. Written once: the gateway signs each request it passes on."""
    return _encoded(json.dumps({"alg": _ALGORITHM, "typ": typ, "kid": kid}, separators=(",", ":")).encode())


def _encoded(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _header(token: str) -> dict[str, Any]:
    """The header of a token of exactly three parts, with exactly the three fields that we write."""
    if len(token) > TOKEN_LENGTH_MAX or token.count(".") != 2:  # noqa: PLR2004  the three parts of a compact token
        refuse()
    part = token.partition(".")[0]
    try:
        header = _object(urlsafe_b64decode(part.encode("ascii") + b"=" * (-len(part) % 4)))
    except (BinasciiError, ValueError, RecursionError):
        refuse()
    if set(header) != _HEADER_FIELDS or header["alg"] != _ALGORITHM or not isinstance(header["kid"], str):
        refuse()
    return header


def _object(text: bytes) -> dict[str, Any]:
    value = json.loads(text.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant)
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004  one kind of failure for all that is wrong with a token
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a name stands twice")
    return values


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
