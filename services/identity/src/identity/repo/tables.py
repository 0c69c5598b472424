"""The schema of identity. Instants without a default are empty until the thing happens."""

from datetime import date, datetime
from typing import Any, get_args
from uuid import UUID

from geoalchemy2 import Geography
from sqlalchemy import ARRAY, CheckConstraint, Computed, Float, ForeignKeyConstraint, Index, LargeBinary, Text, text
from sqlmodel import Field, SQLModel

from chassis.db import service_metadata
from chassis.db.columns import choice, counter, instant, jsonb, long_text, quantity, short_text
from contracts.identity import LicenseStatus
from contracts.media import MediaKind, MediaStatus
from identity.domain.licences import LicenceType
from identity.domain.people import MembershipStatus
from identity.domain.stores import RADIUS_METERS_MAX, Badge, GeocodeStatus
from kernel.scope import Kyc, Role, StoreType, SystemRole

METADATA = service_metadata("identity")

_POINT = "case when lat is null then null else st_setsrid(st_makepoint(lng, lat), 4326)::geography end"
_LIVE = text("deleted_at is null")
_VENDOR = text("type = 'vendor'")
_UNDECIDED = text("accepted_at is null and revoked_at is null")


class Table(SQLModel):
    metadata = METADATA


class Users(Table, table=True):
    """`email` is in its normal form (domain.names), so the unique index is the whole rule.

    Only a temporary password has a `password_expires_at`.
    """

    __tablename__ = "users"
    __table_args__ = (
        Index("ix_users_system_role", "system_role", postgresql_where=text("system_role is not null")),
    )  # fmt: skip

    id: UUID = Field(primary_key=True)
    email: str = short_text(longest=320, unique=True)
    password_hash: str = long_text()
    first_name: str = short_text()
    last_name: str = short_text()
    phone: str | None = short_text(longest=64)
    is_active: bool = Field(default=True, sa_column_kwargs={"server_default": text("true")})
    must_change_password: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    password_changed_at: datetime | None = instant(now=False)
    password_expires_at: datetime | None = instant(now=False)
    last_login_at: datetime | None = instant(now=False)
    system_role: SystemRole | None = choice(SystemRole)
    version: int = counter()
    created_at: datetime = instant()
    updated_at: datetime = instant()


class PasswordResets(Table, table=True):
    """The latest one-time token of somebody who has forgotten their password. A used one is deleted."""

    __tablename__ = "password_resets"
    __table_args__ = (
        Index("uq_password_resets_token_sha256", "token_sha256", unique=True),
        ForeignKeyConstraint(["user_id"], ["identity.users.id"]),
    )

    user_id: UUID = Field(primary_key=True)
    token_sha256: bytes = Field(sa_type=LargeBinary)
    expires_at: datetime = instant(now=False)
    created_at: datetime = instant()


class Stores(Table, table=True):
    """`company_key` must be unique per state. `geom` is computed by PostgreSQL, so it cannot lag behind lat and lng."""

    __tablename__ = "stores"
    __table_args__ = (
        Index("uq_stores_state_company_key", "state", "company_key", unique=True, postgresql_where=_LIVE),
        Index("ix_stores_geom", "geom", postgresql_using="gist"),
        Index("ix_stores_directory", "state", "kyc_status", "subscription_active", postgresql_where=_VENDOR),
        Index("ix_stores_type_kyc_status", "type", "kyc_status"),
        Index("ix_stores_subscription_active", "subscription_active"),
        Index("ix_stores_geocode_pending", "id", postgresql_where=text("geocode_status = 'pending'")),
        Index("ix_stores_override_until", "override_until", postgresql_where=text("override_until is not null")),
        CheckConstraint("(lat is null) = (lng is null)", name="lat_with_lng"),
        CheckConstraint("lat between -90 and 90", name="lat"),
        CheckConstraint("lng between -180 and 180", name="lng"),
        CheckConstraint(f"delivery_radius_meters <= {RADIUS_METERS_MAX}", name="delivery_radius_meters_max"),
        CheckConstraint("override_until is null or kyc_override is not null or subscription_override is not null",
                        name="override_until"),
        ForeignKeyConstraint(["owner_user_id"], ["identity.users.id"]),
    )  # fmt: skip

    id: UUID = Field(primary_key=True)
    type: StoreType = choice(StoreType)
    company_name: str = short_text()
    company_key: str = long_text()
    dba_name: str | None = short_text()
    description: str | None = long_text()
    phone: str | None = short_text(longest=64)
    email: str | None = short_text(longest=320)
    kyc_status: Kyc = choice(Kyc)
    suspended_reason: str | None = long_text()
    kyc_override: Kyc | None = choice((Kyc.VERIFIED,))
    subscription_active: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    subscription_override: str | None = choice(("active",))
    override_until: date | None = None
    override_reason: str | None = long_text()
    delivery_radius_meters: int = quantity()
    line1: str = short_text()
    line2: str | None = short_text()
    city: str = short_text()
    state: str = short_text(longest=2)
    postal_code: str = short_text(longest=16)
    country: str = short_text(longest=2)
    lat: float | None = Field(default=None, sa_type=Float(53))
    lng: float | None = Field(default=None, sa_type=Float(53))
    geocode_status: GeocodeStatus = choice(GeocodeStatus)
    geom: Any = Field(
        default=None,
        sa_type=Geography("POINT", srid=4326, spatial_index=False),
        sa_column_args=[Computed(_POINT, persisted=True)],
        nullable=True,
    )
    social: dict[str, str] | None = jsonb()
    owner_user_id: UUID
    logo_media_id: UUID | None = None
    logo_attachment_id: UUID | None = None
    logo_gcs_key: str | None = long_text()
    logo_url: str | None = long_text()
    banner_media_id: UUID | None = None
    banner_attachment_id: UUID | None = None
    banner_gcs_key: str | None = long_text()
    banner_url: str | None = long_text()
    ratings: dict[str, Any] | None = jsonb()
    categories: list[str] | None = Field(default=None, sa_type=ARRAY(Text))
    provider_customer_id: str | None = long_text()
    badge: Badge | None = choice(Badge)
    last_active_at: datetime | None = instant(now=False)
    last_logged_in_at: datetime | None = instant(now=False)
    version: int = counter()
    deleted_at: datetime | None = instant(now=False)
    created_at: datetime = instant()
    updated_at: datetime = instant()


class StoreMemberships(Table, table=True):
    __tablename__ = "store_memberships"
    __table_args__ = (
        Index("uq_store_memberships_store_id_user_id", "store_id", "user_id", unique=True),
        Index("ix_store_memberships_user_id", "user_id"),
        Index("ix_store_memberships_store_id_role", "store_id", "role"),
        Index("ix_store_memberships_store_id_status", "store_id", "status"),
        ForeignKeyConstraint(["store_id"], ["identity.stores.id"]),
        ForeignKeyConstraint(["user_id"], ["identity.users.id"]),
        ForeignKeyConstraint(["invited_by_user_id"], ["identity.users.id"]),
    )

    id: UUID = Field(primary_key=True)
    store_id: UUID
    user_id: UUID
    role: Role = choice(Role)
    status: MembershipStatus = choice(MembershipStatus)
    invited_by_user_id: UUID | None = None
    created_at: datetime = instant()
    updated_at: datetime = instant()


class StoreInvites(Table, table=True):
    """One undecided invitation per store and e-mail. The e-mail is in its normal form."""

    __tablename__ = "store_invites"
    __table_args__ = (
        Index("uq_store_invites_undecided", "store_id", "email", unique=True, postgresql_where=_UNDECIDED),
        Index("uq_store_invites_token_sha256", "token_sha256", unique=True),
        Index("ix_store_invites_expires_at", "expires_at"),
        ForeignKeyConstraint(["store_id"], ["identity.stores.id"]),
        ForeignKeyConstraint(["invited_by_user_id"], ["identity.users.id"]),
    )

    id: UUID = Field(primary_key=True)
    store_id: UUID
    email: str = short_text(longest=320)
    first_name: str = short_text()
    last_name: str = short_text()
    role: Role = choice(Role)
    token_sha256: bytes = Field(sa_type=LargeBinary)
    invited_by_user_id: UUID
    expires_at: datetime = instant(now=False)
    accepted_at: datetime | None = instant(now=False)
    revoked_at: datetime | None = instant(now=False)
    created_at: datetime = instant()


class Licenses(Table, table=True):
    """`number_key` must be unique per state (domain.names). A row is one use of its scan, which several may share."""

    __tablename__ = "licenses"
    __table_args__ = (
        Index("uq_licenses_issuing_state_number_key", "issuing_state", "number_key", unique=True),
        Index("ix_licenses_store_id_status", "store_id", "status"),
        Index("ix_licenses_expiration_date", "expiration_date"),
        Index("ix_licenses_status_created_at", "status", "created_at"),
        Index("ix_licenses_media_id", "media_id"),
        Index("ix_licenses_expired_at", "expired_at", postgresql_where=text("expired_at is not null")),
        ForeignKeyConstraint(["store_id"], ["identity.stores.id"]),
        ForeignKeyConstraint(["user_id"], ["identity.users.id"]),
        ForeignKeyConstraint(["reviewed_by_user_id"], ["identity.users.id"]),
    )

    id: UUID = Field(primary_key=True)
    store_id: UUID
    user_id: UUID
    status: str = choice(get_args(LicenseStatus), default="pending")
    media_id: UUID
    attachment_id: UUID
    gcs_key: str = long_text()
    issuing_state: str = short_text(longest=2)
    issue_date: date | None = None
    expiration_date: date | None = None
    type: LicenceType = choice(LicenceType)
    number: str = short_text()
    number_key: str = long_text()
    reject_reason: str | None = long_text()
    reviewed_by_user_id: UUID | None = None
    reviewed_at: datetime | None = instant(now=False)
    warned_at: datetime | None = instant(now=False)
    expired_at: datetime | None = instant(now=False)
    created_at: datetime = instant()
    updated_at: datetime = instant()


class MediaView(Table, table=True):
    """media's media as `media_changed` tells them. `doubted`: media has asked who holds it (docs/adr/0015)."""

    __tablename__ = "media"
    __table_args__ = (Index("ix_media_source_epoch", "source_epoch"),)

    media_id: UUID = Field(primary_key=True)
    source_epoch: int = counter()
    version: int = counter(start=0)
    deleted: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    store_id: UUID
    kind: str = choice(get_args(MediaKind))
    status: str = choice(get_args(MediaStatus))
    mime_type: str = short_text()
    gcs_key: str = long_text()
    public_url: str | None = long_text()
    doubted: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    updated_at: datetime = instant()


class SessionFamilies(Table, table=True):
    """One per log-in.

    `membership_version` grows with whatever the session may do, `generation` with each exchange of tokens;
    `opened_from` is the keyed fingerprint of the client's address.
    """

    __tablename__ = "session_families"
    __table_args__ = (
        Index("ix_session_families_user_id", "user_id", "opened_from"),
        Index("ix_session_families_live_store", "active_store_id", postgresql_where=text("revoked_at is null")),
        ForeignKeyConstraint(["user_id"], ["identity.users.id"]),
        ForeignKeyConstraint(["active_store_id"], ["identity.stores.id"]),
    )

    id: UUID = Field(primary_key=True)
    user_id: UUID
    active_store_id: UUID | None = None
    store_type: StoreType | None = choice(StoreType)
    role: Role | None = choice(Role)
    system_role: SystemRole | None = choice(SystemRole)
    membership_version: int = counter()
    must_change_password: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    generation: int = counter()
    opened_from: str = short_text(longest=64)
    created_at: datetime = instant()
    rotated_at: datetime = instant()
    revoked_at: datetime | None = instant(now=False)
    reason: str | None = short_text(longest=64)


class RefreshTokens(Table, table=True):
    """Digests only. `successor` is empty while unused, and for a token that a switch of stores has used up."""

    __tablename__ = "refresh_tokens"
    __table_args__ = (
        Index("uq_refresh_tokens_family_generation", "family", "generation", unique=True),
        ForeignKeyConstraint(["family"], ["identity.session_families.id"]),
    )

    hash: bytes = Field(primary_key=True, sa_type=LargeBinary)
    family: UUID
    generation: int = counter()
    used_at: datetime | None = instant(now=False)
    used_by: str | None = short_text(longest=64)
    successor: bytes | None = Field(default=None, sa_type=LargeBinary)
    created_at: datetime = instant()


class SessionCopiesOwed(Table, table=True):
    """Sessions whose hot copy could not be marked before a change: a job makes up for it (docs/adr/0003)."""

    __tablename__ = "session_copies_owed"

    id: UUID = Field(primary_key=True)
    sid: UUID
    created_at: datetime = instant()
