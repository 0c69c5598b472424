"""The service account whose key signs URLs and tokens: `packhouse keys` makes it, the door knows its public half."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from google.auth import jwt
from google.auth.exceptions import GoogleAuthError

SCOPES: Final = "https://www.googleapis.com/auth/"
WRITING: Final = frozenset({f"{SCOPES}devstorage.{may}" for may in ("read_write", "full_control")})
READING: Final = WRITING | {f"{SCOPES}devstorage.read_only"}
TOKEN_SECONDS_MAX: Final = 3_600


@dataclass(frozen=True, slots=True)
class Account:
    email: str
    key: RSAPublicKey

    @classmethod
    def load(cls, path: Path) -> Account:
        """From a service account's JSON key, as Google issues it. Raises ValueError when it holds no RSA key."""
        known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        private = load_pem_private_key(known["private_key"].encode(), password=None)
        if not isinstance(private, RSAPrivateKey):
            raise ValueError(f"{path} holds no RSA key")  # noqa: TRY004  the file is wrong, not an argument
        return cls(known["client_email"], private.public_key())

    def has_signed(self, text: str, signature: bytes) -> bool:
        try:
            self.key.verify(signature, text.encode(), PKCS1v15(), SHA256())
        except InvalidSignature:
            return False
        return True

    def accepts(self, token: str, scopes: frozenset[str]) -> bool:
        """Whether this is a token that the account has signed for itself (AIP 4111), for at least one of the scopes."""
        pem = self.key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        try:
            header = jwt.decode_header(token)  # type: ignore[no-untyped-call]
            claims = jwt.decode(token, certs=pem)  # type: ignore[no-untyped-call]
        except (GoogleAuthError, ValueError):
            return False
        return (
            header.get("alg") == "RS256"
            and claims.get("iss") == claims.get("sub") == self.email
            and claims["exp"] - claims["iat"] <= TOKEN_SECONDS_MAX
            and not scopes.isdisjoint(str(claims.get("scope", "")).split())
        )
