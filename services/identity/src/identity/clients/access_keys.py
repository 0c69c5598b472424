"""The keys of access tokens: one signs, those around it are published, older ones are still known (spec 1.6)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chassis.auth import AccessClaims, KeyRing, mint_access, verify_access
from identity.domain.sessions import Family
from identity.domain.tokens import access_token_id
from identity.settings import Settings


class AccessKeys:
    """Whose turn it is follows from the clock; `packhouse keys rotate-access` adds a key to the file."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring

    @classmethod
    def of(cls, settings: Settings) -> "AccessKeys":
        return cls(KeyRing(settings.access_key_file))

    def document(self, now: datetime) -> Mapping[str, Any]:
        """The JWKS: public halves only."""
        return self._ring.published(now.timestamp())

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
        return mint_access(self._ring.signing(now.timestamp()), claims, now=now.timestamp())

    def read(self, token: str | None, now: datetime) -> AccessClaims:
        """The claims of a token of ours, which may be expired: only refresh and logout read tokens here."""
        return verify_access(self._ring.known(now.timestamp()), token, allow_expired=True, now=now.timestamp())
