"""What identity says: stores and users as snapshots, security alerts, and sessions as the gateway reads them."""

from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from contracts.event import Event, Snapshot, Wire
from contracts.media import Attachment, Detachment
from contracts.values import Address
from kernel.scope import Kyc, Role, StoreType, SystemRole


class StoreChanged(Snapshot, topic="identity.store_changed.v1", aggregate="store", key="store_id"):
    """A store's public state. `kyc_status` is the effective one (spec 2.4); the subscription is billing's fact."""

    store_id: UUID
    type: StoreType
    company_name: str
    dba_name: str | None = None
    phone: str | None = None
    email: str | None = None
    kyc_status: Kyc
    subscription_override: Literal["active"] | None = None
    owner_user_id: UUID
    address: Address
    delivery_radius_meters: int = 0
    logo_media_id: UUID | None = None
    logo_gcs_key: str | None = None
    logo_url: str | None = None
    badge: str | None = None
    ratings: dict[str, Any] | None = None
    created_at: datetime
    updated_at: datetime


class UserChanged(Snapshot, topic="identity.user_changed.v1", aggregate="user", key="user_id"):
    user_id: UUID
    is_active: bool
    system_role: SystemRole | None = None
    updated_at: datetime


class SecurityAlert(Event, topic="identity.security_alert.v1", aggregate="user", key="user_id"):
    user_id: UUID
    kind: Literal["refresh_reuse", "password_changed"]
    occurred_at: datetime


LicenseStatus = Literal["pending", "verified", "rejected", "expired"]


class LicenseStatusChanged(Event, topic="identity.license_status_changed.v1", aggregate="license", key="license_id"):
    """`kyc_status` is the store's effective one once the licence has its new status; `reason` tells of a rejection."""

    license_id: UUID
    store_id: UUID
    status: LicenseStatus
    previous_status: LicenseStatus | None = None
    reason: str | None = None
    kyc_status: Kyc


class LicenseExpiringSoon(Event, topic="identity.license_expiring_soon.v1", aggregate="license", key="license_id"):
    license_id: UUID
    store_id: UUID
    expiration_date: date
    days_until_expiration: int


class LicenseExpired(Event, topic="identity.license_expired.v1", aggregate="license", key="license_id"):
    license_id: UUID
    store_id: UUID
    expired_at: datetime


class IdentityMediaAttached(Attachment, topic="identity.media_attached.v1", aggregate="media", key="media_id"):
    """A licence holds its scan, or a store its logo or banner."""


class IdentityMediaDetached(Detachment, topic="identity.media_detached.v1", aggregate="media", key="media_id"):
    """A licence or a store has let go of a medium."""


class SessionState(Wire):
    """A session as the gateway needs it: in Redis as the hot copy `pf:session:<sid>`, from identity as the truth.

    `jti` is the only access token id the session accepts. A hot copy with `ask` true, or none at all, makes the
    gateway ask `GET /internal/v1/sessions/{sid}`, which answers 404 for a session that is over.
    """

    sid: UUID
    user_id: UUID
    jti: str
    store_id: UUID | None = None
    store_type: StoreType | None = None
    kyc_status: Kyc | None = None
    role: Role | None = None
    system_role: SystemRole | None = None
    must_change_password: bool = False
    membership_version: int = 0
    generation: int = Field(ge=0)
    revoked: bool = False
    ask: bool = False


SESSION_KEY = "pf:session:{sid}"
USER_SESSIONS_KEY = "pf:session:user:{user_id}"
