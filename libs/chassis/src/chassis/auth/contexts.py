"""Tokens between processes: the gateway's context token, and the service token of one service asking another (spec
1.6).

Both live 60 s. A context token is good for one method and path of one service; a service token names who asks and for
whom.
"""

import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chassis.auth.claims import demanded, expect, expect_alive, offered, one_of, text, uuid
from chassis.auth.keys import ISSUER_PREFIX, SigningKey, Trust, issuer_of
from chassis.auth.tokens import kid_of, opened, sign
from kernel.scope import Kyc, Role, StoreType, SystemRole

CONTEXT_SECONDS = 60
SKEW_SECONDS = 5
"""Our own machines keep time by NTP; a client's clock is never involved here."""

_CONTEXT_TYPE = "pf-ctx+jwt"
_SERVICE_TYPE = "pf-svc+jwt"
_GATEWAY = issuer_of("gateway")


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Who is asking, as the gateway found it. Without `user_id` nobody is known (anonymous routes)."""

    request_id: str
    user_id: UUID | None = None
    sid: UUID | None = None
    store_id: UUID | None = None
    store_type: StoreType | None = None
    kyc_status: Kyc | None = None
    role: Role | None = None
    system_role: SystemRole | None = None


@dataclass(frozen=True, slots=True)
class ServiceCaller:
    """The service that asks, and the user and store it asks for, if it does so for somebody."""

    name: str
    act_user_id: UUID | None
    act_store_id: UUID | None
    request_id: str


def mint_context(
    key: SigningKey, context: Context, *, audience: str, method: str, path: str, now: float | None = None
) -> str:
    """`audience` is the service's name; `path` the decoded path without query, as the service's ASGI scope has it."""
    return sign(
        key,
        _CONTEXT_TYPE,
        {
            "aud": audience,
            "htm": method,
            "htp": path,
            "sub": context.user_id,
            "sid": context.sid,
            "store_id": context.store_id,
            "store_type": context.store_type,
            "kyc_status": context.kyc_status,
            "role": context.role,
            "system_role": context.system_role,
            "request_id": context.request_id,
            **_life(_GATEWAY, now),
        },
    )


def verify_context(
    trust: Trust, token: str | None, *, audience: str, method: str, path: str, now: float | None = None
) -> Context:
    """Raises Unauthenticated with reason token_missing, token_invalid or token_expired."""
    claims = opened(trust.keys(_GATEWAY), token, _CONTEXT_TYPE)
    expect(claims, iss=_GATEWAY, aud=audience, htm=method, htp=path)
    expect_alive(claims, now=now, skew=SKEW_SECONDS, life=CONTEXT_SECONDS)
    return Context(
        request_id=demanded(claims, "request_id", text),
        user_id=offered(claims, "sub", uuid),
        sid=offered(claims, "sid", uuid),
        store_id=offered(claims, "store_id", uuid),
        store_type=offered(claims, "store_type", one_of(StoreType)),
        kyc_status=offered(claims, "kyc_status", one_of(Kyc)),
        role=offered(claims, "role", one_of(Role)),
        system_role=offered(claims, "system_role", one_of(SystemRole)),
    )


def mint_service_token(
    key: SigningKey,
    *,
    issuer: str,
    audience: str,
    request_id: str,
    act_user_id: UUID | None = None,
    act_store_id: UUID | None = None,
    now: float | None = None,
) -> str:
    """`issuer` and `audience` are names of services, "orders" and "catalog"."""
    return sign(
        key,
        _SERVICE_TYPE,
        {
            "aud": audience,
            "act_user_id": act_user_id,
            "act_store_id": act_store_id,
            "request_id": request_id,
            **_life(issuer_of(issuer), now),
        },
    )


def verify_service_token(trust: Trust, token: str | None, *, audience: str, now: float | None = None) -> ServiceCaller:
    """Who signed it; whether that service may ask is decided per route. Raises Unauthenticated as `verify_context`
    does.
    """
    issuer = trust.issuer(kid_of(token)) or "" if token else ""
    claims = opened(trust.keys(issuer), token, _SERVICE_TYPE)
    expect(claims, iss=issuer, aud=audience)
    expect_alive(claims, now=now, skew=SKEW_SECONDS, life=CONTEXT_SECONDS)
    return ServiceCaller(
        name=issuer.removeprefix(ISSUER_PREFIX),
        act_user_id=offered(claims, "act_user_id", uuid),
        act_store_id=offered(claims, "act_store_id", uuid),
        request_id=demanded(claims, "request_id", text),
    )


def _life(issuer: str, now: float | None) -> dict[str, Any]:
    issued_at = int(time.time() if now is None else now)
    return {"iss": issuer, "iat": issued_at, "exp": issued_at + CONTEXT_SECONDS}
