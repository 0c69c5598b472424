"""What the gateway and the services show each other: contexts and service tokens, minted with the stack's own keys."""

import json
import time
from base64 import urlsafe_b64decode
from dataclasses import dataclass, replace
from typing import Any, Self
from uuid import UUID, uuid4

from chassis.auth import Context, SigningKey, key_path, mint_context, mint_service_token
from kernel.scope import Kyc, Role, StoreType, SystemRole
from packhouse.keys import access_key_path
from packhouse.stack import Stack

OVER_SECONDS = 120


@dataclass(frozen=True)
class Passes:
    """Mints for one stack. Whoever holds its keys can be anybody, which is what these tests are about."""

    stack: Stack

    def key(self, issuer: str) -> SigningKey:
        return SigningKey.load(key_path(self.stack.home.keys, issuer))

    def access_key(self) -> SigningKey:
        """Identity's key for access tokens."""
        return SigningKey.load(access_key_path(self.stack.home.keys))

    def url(self, service: str) -> str:
        return self.stack.process(service).url

    def context(
        self,
        who: Context,
        service: str,
        method: str,
        path: str,
        *,
        key: SigningKey | None = None,
        age: float = 0,
    ) -> dict[str, str]:
        """The header of a context token; `key` signs in the gateway's place, `age` is how long ago."""
        token = mint_context(
            key or self.key("gateway"), who, audience=service, method=method, path=path, now=time.time() - age
        )
        return {"X-PF-Context": token}

    def service_token(
        self, issuer: str, audience: str, *, key: SigningKey | None = None, age: float = 0, store_id: UUID | None = None
    ) -> dict[str, str]:
        """The header of a service that asks another."""
        token = mint_service_token(
            key or self.key(issuer),
            issuer=issuer,
            audience=audience,
            request_id=uuid4().hex,
            act_store_id=store_id,
            now=time.time() - age,
        )
        return {"Authorization": f"Bearer {token}"}


@dataclass(frozen=True)
class Caller:
    """Somebody with a session, or nobody; `context` is what the gateway says of them to a service."""

    name: str
    token: str | None
    context: Context

    @classmethod
    def of(cls, name: str, token: str, *, kyc_status: Kyc | None = Kyc.VERIFIED) -> Self:
        """As the access token says; a store's standing is in the session only."""
        claims = claims_of(token)
        store = claims.get("active_store_id")
        return cls(
            name,
            token,
            Context(
                request_id=uuid4().hex,
                user_id=UUID(claims["sub"]),
                sid=UUID(claims["sid"]),
                store_id=UUID(store) if store else None,
                store_type=StoreType(claims["store_type"]) if store else None,
                kyc_status=kyc_status if store else None,
                role=Role(claims["role"]) if store else None,
                system_role=SystemRole(claims["system_role"]) if "system_role" in claims else None,
            ),
        )

    @classmethod
    def nobody(cls) -> Self:
        return cls("anonymous", None, Context(request_id=uuid4().hex))

    def standing(self, kyc_status: Kyc) -> "Caller":
        """The same caller of a store with another standing."""
        return replace(
            self, name=f"{self.name}, {kyc_status.value}", context=replace(self.context, kyc_status=kyc_status)
        )

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}


def claims_of(token: str) -> dict[str, Any]:
    """The payload of a token, unverified."""
    claims: dict[str, Any] = json.loads(urlsafe_b64decode(token.split(".")[1] + "=="))
    return claims
