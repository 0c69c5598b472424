"""Who is asking, as signed words: the access token of a user, the context token of the gateway, the service token of
a service.

Every token is an EdDSA JWT. Its key is found by `kid` in a dictionary of keys that are trusted already; nothing else
in the header is ever used, so a token cannot bring or point to its own key.
"""

from chassis.auth.access import AccessClaims, mint_access, verify_access
from chassis.auth.contexts import (
    Context,
    ServiceCaller,
    mint_context,
    mint_service_token,
    verify_context,
    verify_service_token,
)
from chassis.auth.keys import (
    SigningKey,
    Trust,
    init_keys,
    issuer_of,
    jwks,
    key_path,
    public_keys,
    rotate_key,
    trust_path,
)
from chassis.auth.rings import KeyRing, rotate_ring
from chassis.auth.tokens import bearer, kid_of

__all__ = [
    "AccessClaims",
    "mint_access",
    "verify_access",
    "Context",
    "mint_context",
    "verify_context",
    "ServiceCaller",
    "mint_service_token",
    "verify_service_token",
    "SigningKey",
    "Trust",
    "init_keys",
    "rotate_key",
    "KeyRing",
    "rotate_ring",
    "key_path",
    "trust_path",
    "issuer_of",
    "jwks",
    "public_keys",
    "bearer",
    "kid_of",
]
