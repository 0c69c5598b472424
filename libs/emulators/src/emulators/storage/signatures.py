"""URLs signed by the fourth version of Google's process, GOOG4-RSA-SHA256: read, and held against the request.

Google's description: "V4 signing process with Cloud Storage tools", "Canonical requests".
"""

from __future__ import annotations

import binascii
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Self
from urllib.parse import parse_qsl, quote

from emulators.storage.account import Account
from emulators.storage.answers import access_denied, bad_parameter, bad_signature, expired, malformed

ALGORITHM: Final = "GOOG4-RSA-SHA256"
SIGNATURE: Final = "X-Goog-Signature"
SCOPE: Final = "auto/storage/goog4_request"
EXPIRES_SECONDS: Final = range(1, 7 * 24 * 3_600 + 1)
SKEW: Final = timedelta(minutes=15)
SPACES: Final = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came: path and query as on the wire, header names in small letters, repeated ones joined."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Claim:
    """What the query of a signed URL says of itself."""

    signer: str
    scope: str
    stamp: str
    expires: timedelta
    headers: tuple[str, ...]
    signature: bytes

    @classmethod
    def read(cls, query: Mapping[str, str]) -> Self:
        """Raises Denied for what no signer writes."""
        if query.get("X-Goog-Algorithm") != ALGORITHM:
            raise bad_parameter(f"X-Goog-Algorithm must be {ALGORITHM}")
        try:
            signer, scope = query["X-Goog-Credential"].split("/", 1)
            seconds = int(query["X-Goog-Expires"])
            signature = binascii.unhexlify(query[SIGNATURE])
            headers = tuple(query["X-Goog-SignedHeaders"].split(";"))
            stamp = query["X-Goog-Date"]
        except (KeyError, ValueError) as error:
            raise bad_parameter(
                "a signed URL has X-Goog-Credential, -Date, -Expires, -SignedHeaders, -Signature"
            ) from error
        if seconds not in EXPIRES_SECONDS:
            raise bad_parameter(f"X-Goog-Expires is 1 to {EXPIRES_SECONDS[-1]} seconds")
        return cls(signer, scope, stamp, timedelta(seconds=seconds), headers, signature)

    @property
    def signed_at(self) -> datetime:
        """Raises Denied when it is no time."""
        try:
            return datetime.strptime(self.stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        except ValueError as error:
            raise bad_parameter("X-Goog-Date is a time such as 20261126T120000Z") from error


def is_signed(query: str) -> bool:
    return SIGNATURE in dict(parse_qsl(query, keep_blank_values=True))


def require_signature(asked: Asked, account: Account, now: datetime) -> None:
    """Raises Denied unless the account has signed exactly this request and its time has not run out."""
    pairs = parse_qsl(asked.query, keep_blank_values=True)
    claim = Claim.read(dict(pairs))
    _require_signer(claim, account)
    _require_headers(claim, asked.headers)
    request = _canonical(asked, claim, pairs)
    digest = hashlib.sha256(request.encode()).hexdigest()
    if not account.has_signed(f"{ALGORITHM}\n{claim.stamp}\n{claim.scope}\n{digest}", claim.signature):
        raise bad_signature(request)
    _require_time(claim, now)


def _require_signer(claim: Claim, account: Account) -> None:
    if claim.signer != account.email:
        raise access_denied(f"{claim.signer} has no access")
    if claim.scope != f"{claim.stamp[:8]}/{SCOPE}":
        raise bad_parameter(f"the credential's scope must be {claim.stamp[:8]}/{SCOPE}")


def _require_headers(claim: Claim, headers: Mapping[str, str]) -> None:
    """What was signed must be sent; what Google acts upon must have been signed."""
    for name in claim.headers:
        if name not in headers:
            raise malformed(f"Header was included in signedheaders, but not in the request: {name}")
    if "host" not in claim.headers:
        raise malformed("Header must be included in signedheaders: host")
    for name in headers:
        if name.startswith("x-goog-") and name not in claim.headers:
            raise malformed(f"Header was included in the request, but not in signedheaders: {name}")


def _require_time(claim: Claim, now: datetime) -> None:
    if claim.signed_at > now + SKEW:
        raise access_denied("the URL was signed in the future")
    ends = claim.signed_at + claim.expires
    if now >= ends:
        raise expired(f"Request signature expired at: {ends.isoformat()}")


def _canonical(asked: Asked, claim: Claim, pairs: list[tuple[str, str]]) -> str:
    """The text whose digest is signed."""
    query = sorted((quote(name, safe="~"), quote(value, safe="~")) for name, value in pairs if name != SIGNATURE)
    headers = [f"{name}:{SPACES.sub(' ', asked.headers[name].strip())}\n" for name in claim.headers]
    return "\n".join(
        [
            asked.method,
            asked.path,
            "&".join(f"{name}={value}" for name, value in query),
            "".join(headers),
            ";".join(claim.headers),
            asked.headers.get("x-goog-content-sha256", "UNSIGNED-PAYLOAD"),
        ]
    )
