"""Who may call a route: declared once, checked here, shown in the reference, swept by tests (spec 1.6, 1.7)."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Final, Literal

from chassis.auth import Context, ServiceCaller
from kernel.refusal import Forbidden, Unauthenticated
from kernel.scope import Kyc, Role, StoreType, SystemRole

Who = Literal["open", "anyone", "bearer", "signed_in", "store", "agent", "admin", "service"]

MEMBER: Final[AbstractSet[Role]] = frozenset(Role)
OM: Final[AbstractSet[Role]] = frozenset({Role.OWNER, Role.MANAGER})
OMP: Final[AbstractSet[Role]] = OM | {Role.OPS}
OMPS: Final[AbstractSet[Role]] = OMP | {Role.STAFF}


@dataclass(frozen=True, slots=True)
class Callers:
    """The callers of one route. `store` means an active membership; system roles work without a store."""

    who: Who
    roles: AbstractSet[Role] = frozenset()
    type: StoreType | None = None
    verified: bool = False
    services: AbstractSet[str] = frozenset()

    @property
    def is_anonymous(self) -> bool:
        """Whether nobody needs to be known to call the route."""
        return self.who in {"open", "anyone", "bearer"}

    def admit(self, context: Context) -> None:
        """Raise `Unauthenticated` or `Forbidden` unless the caller of a public route is one of these."""
        if self.is_anonymous:
            return
        if context.user_id is None:
            raise Unauthenticated("token_missing")
        if self.who == "store":
            self._admit_member(context)
        if self.who in {"agent", "admin"} and context.system_role != self.who:
            raise Forbidden("role_missing")

    def _admit_member(self, context: Context) -> None:
        if context.store_id is None or context.role is None:
            raise Forbidden("store_context_missing", "store context missing")
        if context.role not in self.roles or self.type not in {None, context.store_type}:
            raise Forbidden("role_missing")
        if self.verified and context.kyc_status != Kyc.VERIFIED:
            raise Forbidden("store_suspended" if context.kyc_status == Kyc.SUSPENDED else "not_verified")

    def admit_service(self, caller: ServiceCaller) -> None:
        """Raise `Forbidden` unless the calling service stands in the list of this internal route."""
        if self.services and caller.name not in self.services:
            raise Forbidden("role_missing")

    def described(self) -> dict[str, Any]:
        """The declaration as the reference and the role sweep read it."""
        facts: dict[str, Any] = {"who": self.who}
        if self.who == "store":
            facts["roles"] = sorted(self.roles)
            facts["store_type"] = self.type.value if self.type else None
            facts["verified"] = self.verified
        if self.who in {"agent", "admin"}:
            facts["system_role"] = self.who
        if self.who == "service":
            facts["services"] = sorted(self.services) or ["*"]
        return facts


OPEN: Final = Callers("open")
ANYONE: Final = Callers("anyone")
BEARER: Final = Callers("bearer")
SIGNED_IN: Final = Callers("signed_in")
AGENT: Final = Callers(SystemRole.AGENT.value)
ADMIN: Final = Callers(SystemRole.ADMIN.value)


def member(roles: AbstractSet[Role] = MEMBER, *, type: StoreType | None = None, verified: bool = False) -> Callers:  # noqa: A002  the word of the table
    """Members of the active store with one of these roles."""
    return Callers("store", frozenset(roles), type, verified)


def vendor(roles: AbstractSet[Role] = MEMBER, *, verified: bool = False) -> Callers:
    """Members of a vendor store."""
    return member(roles, type=StoreType.VENDOR, verified=verified)


def services(*names: str) -> Callers:
    """Other services by name, on internal routes only; without names every trusted service."""
    return Callers("service", services=frozenset(names))
