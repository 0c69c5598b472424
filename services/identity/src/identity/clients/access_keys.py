"""The keys of access tokens: one signs, all are published."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from chassis.auth import AccessClaims, SigningKey, jwks, mint_access, public_keys, verify_access
from identity.domain.sessions import Family
from identity.domain.tokens import access_token_id
from identity.settings import Settings


class AccessKeys:
    """`retained` are keys that sign no more, or not yet, and whose tokens still count."""

    def __init__(self, signing: SigningKey, retained: Sequence[SigningKey] = ()) -> None:
        self._signing = signing
        self._document = jwks([signing, *retained])
        self._public = public_keys(self._document)

    @classmethod
    def of(cls, settings: Settings) -> "AccessKeys":
        return cls(SigningKey.load(settings.access_key_file))

    @property
    def document(self) -> dict[str, Any]:
        """The JWKS: public halves only."""
        return self._document

    def mint(self, family: Family, now: datetime) -> str:
        """The access token of the family's present generation and standing."""
        claims = AccessClaims(
            user_id=family.user_id,
            sid=family.id,
            jti=access_token_id(family.id, family.generation),
            store_id=family.active_store_id,
            store_type=family.store_type,
            role=family.role,
            system_role=family.system_role,
        )
        return mint_access(self._signing, claims, now=now.timestamp())

    def read(self, token: str | None, now: datetime) -> AccessClaims:
        """The claims of a token of ours, which may be expired: only refresh and logout read tokens here."""
        return verify_access(self._public, token, allow_expired=True, now=now.timestamp())
