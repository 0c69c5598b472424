"""Refresh tokens and what is derived from them (spec 1.6).

A successor follows from the server's key and the presented token, so a lost answer can be given again although only
SHA-256 digests are stored.
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass
from uuid import UUID

from kernel.ids import derived_id

TOKEN_BYTES = 32


@dataclass(frozen=True, slots=True)
class Secret:
    """The server's key for derived tokens and fingerprints. Each use has a label, so none can pass as another."""

    key: bytes

    def mac(self, label: str, *parts: str) -> bytes:
        message = "\x00".join((label, *parts)).encode()
        return hmac.new(self.key, message, hashlib.sha256).digest()

    def fingerprint(self, label: str, *parts: str) -> str:
        """A stable stand-in for something that may not be stored or logged, such as an address or an e-mail."""
        return self.mac(label, *parts).hex()[:32]


def encoded(raw: bytes) -> str:
    """base64url without padding: 43 characters for 32 bytes."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def token_hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def successor_token(secret: Secret, family: UUID, generation: int, presented: str) -> str:
    """The token of `generation` that follows the presented one; the same for every repeat of the exchange."""
    return encoded(secret.mac("refresh", str(family), str(generation), presented))


def access_token_id(family: UUID, generation: int) -> str:
    """The jti shared by all access tokens of one generation."""
    return str(derived_id("jti", family, generation))


def client_mark(secret: Secret, ip: str | None, user_agent: str | None) -> str:
    """Equal for the same address and agent, which is how a repeated exchange is told from a theft."""
    return secret.fingerprint("client", ip or "", user_agent or "")


def address_mark(secret: Secret, ip: str | None) -> str:
    return secret.fingerprint("address", ip or "")
