"""Who belongs to a store, who is invited, and who may say so (spec 1.7, 2.2)."""

from datetime import datetime, timedelta
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from identity.domain.people import MembershipStatus
from kernel.scope import Role

INVITE_LIFE = timedelta(days=7)


def may_appoint(actor: Role | None, role: Role) -> bool:
    """Owners and managers grant and take away every role, but only an owner that of an owner."""
    return actor is Role.OWNER or (actor is Role.MANAGER and role is not Role.OWNER)


class Member(BaseModel):
    """Somebody who belongs to a store."""

    model_config = ConfigDict(frozen=True)

    membership_id: UUID
    store_id: UUID
    user_id: UUID
    email: str
    first_name: str
    last_name: str
    role: Role
    membership_status: MembershipStatus
    created_at: datetime
    last_login_at: datetime | None


class Invite(BaseModel):
    """Somebody who is asked to belong to a store. `now` is the database's, `inviter_role` the inviter's by now."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    store_id: UUID
    store_name: str
    email: str
    first_name: str
    last_name: str
    role: Role
    inviter_role: Role | None
    expires_at: datetime
    accepted_at: datetime | None
    revoked_at: datetime | None
    created_at: datetime
    now: datetime

    @property
    def closed(self) -> str | None:
        """Why it can be accepted no more, as the reason of a refusal; None while it is open.

        An invitation is worth what its inviter may still grant: who is removed leaves no door behind (docs/adr/0009).
        """
        if self.accepted_at is not None:
            return "invite_used"
        if self.revoked_at is not None or not may_appoint(self.inviter_role, self.role):
            return "invite_revoked"
        return "invite_expired" if self.expires_at <= self.now else None
