"""The access token: what identity says about a signed-in user for 15 minutes (spec 1.6)."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from chassis.auth.claims import demanded, expect, expect_alive, instant, offered, one_of, text, uuid
from chassis.auth.keys import SigningKey
from chassis.auth.tokens import opened, refuse, sign
from kernel.scope import Role, StoreType, SystemRole

ACCESS_SECONDS = 15 * 60
SKEW_SECONDS = 30
_TYPE = "at+jwt"
_ISSUER = "packhouse"
_AUDIENCE = "packhouse-api"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessClaims:
    """`store_id` is the active store. The two instants are seconds since 1970; minting ignores and verifying fills
    them.
    """

    user_id: UUID
    sid: UUID
    jti: str
    store_id: UUID | None = None
    store_type: StoreType | None = None
    role: Role | None = None
    system_role: SystemRole | None = None
    issued_at: int = 0
    expires_at: int = 0


def mint_access(key: SigningKey, claims: AccessClaims, *, now: float | None = None) -> str:
    issued_at = int(time.time() if now is None else now)
    return sign(
        key,
        _TYPE,
        {
            "iss": _ISSUER,
            "aud": _AUDIENCE,
            "sub": str(claims.user_id),
            "sid": str(claims.sid),
            "jti": claims.jti,
            "active_store_id": str(claims.store_id) if claims.store_id else None,
            "store_type": claims.store_type,
            "role": claims.role,
            "system_role": claims.system_role,
            "iat": issued_at,
            "nbf": issued_at,
            "exp": issued_at + ACCESS_SECONDS,
        },
    )


def verify_access(
    keys_by_kid: Mapping[str, Ed25519PublicKey],
    token: str | None,
    *,
    allow_expired: bool = False,
    now: float | None = None,
) -> AccessClaims:
    """The claims of a good token, with 30 s of clock skew allowed. Raises Unauthenticated with reason token_missing,
    token_invalid or token_expired; `allow_expired` is for refresh and logout only.
    """
    claims = opened(keys_by_kid, token, _TYPE)
    expect(claims, iss=_ISSUER, aud=_AUDIENCE)
    issued_at, expires_at = expect_alive(
        claims, now=now, skew=SKEW_SECONDS, life=ACCESS_SECONDS, allow_expired=allow_expired
    )
    not_before = demanded(claims, "nbf", instant)
    if not issued_at - SKEW_SECONDS <= not_before <= issued_at + SKEW_SECONDS:
        refuse()
    return _said(claims, issued_at, expires_at)


def _said(claims: Mapping[str, Any], issued_at: int, expires_at: int) -> AccessClaims:
    return AccessClaims(
        user_id=demanded(claims, "sub", uuid),
        sid=demanded(claims, "sid", uuid),
        jti=demanded(claims, "jti", text),
        store_id=offered(claims, "active_store_id", uuid),
        store_type=offered(claims, "store_type", one_of(StoreType)),
        role=offered(claims, "role", one_of(Role)),
        system_role=offered(claims, "system_role", one_of(SystemRole)),
        issued_at=issued_at,
        expires_at=expires_at,
    )
