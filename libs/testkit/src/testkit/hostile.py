"""Tokens that nobody may accept (reliability F-A1), forged from the claims of a good one.

They are put together by hand, because a token library refuses to write most of them. Each is one step away from a token
that is good, so that a check which is left out lets exactly its kind through.
"""

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chassis.auth import SigningKey

CANARY_URL = "http://127.0.0.1:{port}/keys.json"
_B64_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@dataclass(frozen=True, slots=True)
class Forge:
    """Forges from a key that is trusted, the type and the claims of a good token.

    `optional` claims may be missing; `canary_port` stands in every URL that a header points to.
    """

    key: SigningKey
    typ: str
    claims: Mapping[str, Any]
    optional: AbstractSet[str] = frozenset()
    canary_port: int = 9

    def good(self) -> str:
        """The token that all others are one step away from."""
        return self.signed(self.header(), self.claims)

    def header(self, **changes: Any) -> dict[str, Any]:
        """The good header with changes; a value of `...` takes the field away."""
        return _changed({"alg": "EdDSA", "typ": self.typ, "kid": self.key.kid}, changes)

    def signed(self, header: Any, claims: Any, key: SigningKey | None = None) -> str:
        """Header and claims may be texts, which are then taken as they are."""
        body = f"{_part(header)}.{_part(claims)}"
        return f"{body}.{_encoded((key or self.key).private.sign(body.encode()))}"

    def with_claims(self, **changes: Any) -> str:
        return self.signed(self.header(), _changed(self.claims, changes))

    def with_header(self, **changes: Any) -> str:
        return self.signed(self.header(**changes), self.claims)

    def all_kinds(self) -> dict[str, str]:
        """Every hostile token by a word on what is wrong with it."""
        kinds = [*self._algorithms(), *self._foreign_keys(), *self._key_ids(), *self._headers(), *self._shapes()]
        return dict([*kinds, *self._payloads(), *self._times(), *self._claims()])

    def _algorithms(self) -> Iterator[tuple[str, str]]:
        for name in ("none", "None", "nOnE", "NONE", ""):
            unsigned = f"{_part(self.header(alg=name))}.{_part(self.claims)}."
            yield f"alg {name!r} without signature", unsigned
            yield f"alg {name!r} with a good signature", self.with_header(alg=name)
        public = self.key.private.public_key()
        pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        jwk = json.dumps(self.key.public_jwk()).encode()
        secrets = {"public key as PEM": pem, "raw public key": public.public_bytes_raw(), "JWK": jwk, "empty key": b""}
        for name, secret in secrets.items():
            body = f"{_part(self.header(alg='HS256'))}.{_part(self.claims)}"
            yield f"HS256 with {name}", f"{body}.{_encoded(hmac.new(secret, body.encode(), hashlib.sha256).digest())}"
        others: tuple[Any, ...] = ("HS256", "RS256", "ES256", "Ed25519", "eddsa", ["EdDSA"], None, ...)
        for other in others:
            yield f"alg {other}", self.with_header(alg=other)

    def _foreign_keys(self) -> Iterator[tuple[str, str]]:
        stranger = SigningKey.generate()
        url = CANARY_URL.format(port=self.canary_port)
        brought = {"jwk": stranger.public_jwk(), "jku": url, "x5u": url, "x5c": [stranger.public_jwk()["x"]]}
        yield "a stranger's signature", self.signed(self.header(), self.claims, stranger)
        yield "a stranger's kid", self.signed(self.header(kid=stranger.kid), self.claims, stranger)
        for name, value in brought.items():
            yield f"{name} of a stranger", self.signed(self.header(**{name: value}), self.claims, stranger)
            yield (
                f"{name} and stranger's kid",
                self.signed(self.header(kid=stranger.kid, **{name: value}), self.claims, stranger),
            )
            yield f"{name} beside a good signature", self.with_header(**{name: value})

    def _key_ids(self) -> Iterator[tuple[str, str]]:
        kids: dict[str, Any] = {
            "missing": ...,
            "null": None,
            "empty": "",
            "number": 1,
            "list": [self.key.kid],
            "object": {"kid": self.key.kid},
            "path": "../../../../dev/null",
            "SQL": f"{self.key.kid}' or '1'='1",
            "with NUL": f"{self.key.kid}\x00",
            "in capitals": self.key.kid.upper(),
            "of 1 MB": "k" * 1_000_000,
        }
        for name, value in kids.items():
            yield f"kid {name}", self.with_header(kid=value)

    def _headers(self) -> Iterator[tuple[str, str]]:
        changes: dict[str, dict[str, Any]] = {
            "crit exp": {"crit": ["exp"]},
            "crit empty": {"crit": []},
            "crit b64": {"crit": ["b64"], "b64": True},
            "b64 false": {"crit": ["b64"], "b64": False},
            "zip": {"zip": "DEF"},
            "cty": {"cty": "JWT"},
        }
        types = ("JWT", "jwt", "", None, ..., [self.typ], self.typ.upper(), f"{self.typ} ", "other+jwt")
        changes |= {f"typ {typ}": {"typ": typ} for typ in types}
        for name, change in changes.items():
            yield f"header {name}", self.with_header(**change)
        header = json.dumps(self.header())
        yield "header with alg twice", self.signed(f'{{"alg":"none",{header[1:]}', self.claims)
        yield "header is a list", self.signed([self.header()], self.claims)
        yield "header nested deeply", self.signed("[" * 3000 + "]" * 3000, self.claims)
        yield "header no JSON", self.signed("{", self.claims)

    def _shapes(self) -> Iterator[tuple[str, str]]:
        good = self.good()
        head, body, signature = good.split(".")
        flipped = bytearray(urlsafe_b64decode(f"{signature}=="))
        flipped[7] ^= 1
        yield "flipped bit", f"{head}.{body}.{_encoded(bytes(flipped))}"
        yield "other spelling of the last letter", good[:-1] + _B64_ALPHABET[_B64_ALPHABET.index(good[-1]) ^ 1]
        yield "trailing part", f"{good}.{signature}"
        yield "no signature", f"{head}.{body}."
        yield "short signature", f"{head}.{body}.{signature[:-8]}"
        yield "zero signature", f"{head}.{body}.{_encoded(bytes(64))}"
        yield "two parts", f"{head}.{body}"
        yield "one part", head
        yield "only dots", ".."
        yield "a word", "null"
        yield "standard base64", f"{head}.{body}.+/{signature[2:]}"
        yield "over 8 KiB", self.with_claims(more="x" * 8192)

    def _payloads(self) -> Iterator[tuple[str, str]]:
        text = json.dumps(dict(self.claims))
        payloads: dict[str, Any] = {
            "list": [dict(self.claims)],
            "text": '"claims"',
            "null": "null",
            "number": "1",
            "no JSON": text[:-1],
            "empty": "",
            "a claim twice": f'{{"exp":{self.claims["exp"]},{text[1:]}',
            "NaN beside": f'{text[:-1]},"more":NaN}}',
            "trailing data": f"{text} {{}}",
            "nested deeply": "[" * 2500 + "]" * 2500,
        }
        for name, payload in payloads.items():
            yield f"payload {name}", self.signed(self.header(), payload)
        latin = json.dumps({**self.claims, "more": "é"}, ensure_ascii=False).encode("latin-1")
        yield "payload no UTF-8", self.signed(self.header(), latin)

    def _times(self) -> Iterator[tuple[str, str]]:
        iat, exp = self.claims["iat"], self.claims["exp"]
        times: dict[str, Any] = {
            "exp text": {"exp": str(exp)},
            "exp float": {"exp": exp + 0.5},
            "exp true": {"exp": True},
            "exp negative": {"exp": -1},
            "exp list": {"exp": [exp]},
            "exp null": {"exp": None},
            "exp 10^400": {"exp": 10**400},
            "exp 10^15": {"exp": 10**15},
            "long life": {"exp": exp + 3600},
            "over": {"iat": iat - 7200, "nbf": iat - 7200, "exp": exp - 7200},
            "exp before iat": {"exp": iat - 1},
            "iat in the future": {"iat": iat + 300, "nbf": iat + 300, "exp": exp + 300},
            "iat text": {"iat": str(iat)},
            "iat 10^400": {"iat": 10**400},
        }
        for name, change in times.items():
            yield (
                f"time {name}",
                self.with_claims(**{key: value for key, value in change.items() if key in self.claims}),
            )
        yield from self._written_times(json.dumps(dict(self.claims)), exp)

    def _written_times(self, text: str, exp: int) -> Iterator[tuple[str, str]]:
        """Numbers that JSON libraries read although JSON has none of them, or that no clock shows."""
        for word in ("NaN", "Infinity", "-Infinity", "1e400", "1E+3"):
            written = text.replace(f'"exp": {exp}', f'"exp": {word}')
            yield f"time exp {word}", self.signed(self.header(), written)

    def _claims(self) -> Iterator[tuple[str, str]]:
        """Each claim taken away, and each with values of other types."""
        for name, value in self.claims.items():
            if name not in self.optional:
                yield f"claim {name} missing", self.with_claims(**{name: ...})
            wrong = {
                "null": None,
                "7": 7,
                "true": True,
                "in a list": [value],
                "in an object": {"is": value},
                "empty": "",
            }
            if name not in _FREE_TEXTS:
                wrong["another word"] = "nobody"
            for word, other in wrong.items():
                yield f"claim {name} {word}", self.with_claims(**{name: other})


_FREE_TEXTS = {"jti", "request_id"}


def _changed(fields: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**fields, **changes}.items() if value is not ...}


def _part(value: Any) -> str:
    if isinstance(value, bytes):
        return _encoded(value)
    return _encoded((value if isinstance(value, str) else json.dumps(value)).encode())


def _encoded(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
