"""Users and their memberships as the rest of the service hands them around."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from contracts.identity import UserChanged
from kernel.scope import Role, StoreType, SystemRole

PASSWORD_LENGTHS = range(8, 129)
"""Of a password that is being set (spec 2.2)."""


class MembershipStatus(StrEnum):
    """Only `active` opens anything; the other words are for screens (spec 2.1)."""

    INVITED = "invited"
    PENDING = "pending"
    ACTIVE = "active"
    REMOVED = "removed"


class User(BaseModel):
    """A person, without the password hash: that one never leaves `repo`, except to be verified."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    email: str
    first_name: str
    last_name: str
    phone: str | None
    is_active: bool
    must_change_password: bool
    last_login_at: datetime | None
    system_role: SystemRole | None
    version: int
    created_at: datetime
    updated_at: datetime

    def as_event(self) -> UserChanged:
        return UserChanged(
            user_id=self.id,
            version=self.version,
            is_active=self.is_active,
            system_role=self.system_role,
            updated_at=self.updated_at,
        )


@dataclass(frozen=True, slots=True)
class Proof:
    """Somebody has shown that they know a user's password. It counts as long as that password is the user's.

    `password_changed_at` is when the password was set; None for the one that the account began with.
    """

    user_id: UUID
    password_changed_at: datetime | None


class Membership(BaseModel):
    """One store a user belongs to, with what a store chooser shows."""

    model_config = ConfigDict(frozen=True)

    store_id: UUID
    name: str
    type: StoreType
    role: Role
    logo_url: str | None
