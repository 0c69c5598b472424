"""Who is asking, and for which store."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class StoreType(StrEnum):
    BUYER = "buyer"
    VENDOR = "vendor"


class Role(StrEnum):
    """The role of a membership (spec 0)."""

    OWNER = "owner"
    MANAGER = "manager"
    STAFF = "staff"
    OPS = "ops"
    VIEWER = "viewer"


class SystemRole(StrEnum):
    """A property of the user that works without a store (spec 0)."""

    AGENT = "agent"
    ADMIN = "admin"


class Kyc(StrEnum):
    """Standing of a store's licences, as the law sees it (spec 2.1)."""

    PENDING_VERIFICATION = "pending_verification"
    VERIFIED = "verified"
    REJECTED = "rejected"
    EXPIRED = "expired"
    SUSPENDED = "suspended"


@dataclass(frozen=True, slots=True)
class StoreScope:
    """The one store whose rows a query may see. Every tenant query takes one; there is no way to ask without."""

    store_id: UUID


@dataclass(frozen=True, slots=True)
class Actor:
    """Who causes a change, as audit rows and events tell it.

    `kind` is user, service, job or anonymous; `name` is the service or job where there is no user.
    """

    kind: str
    name: str | None = None
    user_id: UUID | None = None
    store_id: UUID | None = None
    role: str | None = None

    @classmethod
    def service(cls, name: str) -> "Actor":
        return cls(kind="service", name=name, role="service")

    @classmethod
    def job(cls, name: str) -> "Actor":
        return cls(kind="job", name=name, role="job")

    @classmethod
    def anonymous(cls) -> "Actor":
        return cls(kind="anonymous", role="anonymous")

    def __str__(self) -> str:
        return f"{self.kind}:{self.user_id or self.name or '-'}"
