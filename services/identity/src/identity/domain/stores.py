"""A store as the rest of the service hands it around, and as the outside hears of it."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from contracts.identity import StoreChanged
from contracts.values import Address
from identity.domain.standing import effective_kyc, effective_subscription
from kernel.scope import Kyc, Role, StoreType

RADIUS_METERS_MAX = 500_000
"""The widest delivery area a vendor may claim (spec 2.3)."""


class GeocodeStatus(StrEnum):
    """`none`: coordinates were given or never asked for; `failed`: the geocoder knows no such place."""

    NONE = "none"
    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"


class Badge(StrEnum):
    TOP_BRAND = "top_brand"
    QUALITY_VERIFIED = "quality_verified"


class Point(BaseModel):
    model_config = ConfigDict(frozen=True)

    lat: float
    lng: float


class Store(BaseModel):
    """Every column but the derived ones. `kyc_status` and `subscription_active` are as recorded: ask the properties."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    type: StoreType
    company_name: str
    dba_name: str | None
    description: str | None
    phone: str | None
    email: str | None
    kyc_status: Kyc
    suspended_reason: str | None
    kyc_override: Kyc | None
    subscription_active: bool
    subscription_override: Literal["active"] | None
    override_until: date | None
    override_reason: str | None
    delivery_radius_meters: int
    line1: str
    line2: str | None
    city: str
    state: str
    postal_code: str
    country: str
    lat: float | None
    lng: float | None
    geocode_status: GeocodeStatus
    social: dict[str, str] | None
    owner_user_id: UUID
    logo_media_id: UUID | None
    logo_attachment_id: UUID | None
    logo_gcs_key: str | None
    logo_url: str | None
    banner_media_id: UUID | None
    banner_attachment_id: UUID | None
    banner_gcs_key: str | None
    banner_url: str | None
    ratings: dict[str, Any] | None
    categories: list[str] | None
    provider_customer_id: str | None
    badge: Badge | None
    last_active_at: datetime | None
    version: int
    deleted_at: datetime | None
    created_at: datetime
    updated_at: datetime

    @property
    def standing(self) -> Kyc:
        """The effective KYC status: what contexts, events and screens tell."""
        return effective_kyc(self.kyc_status, self.kyc_override)

    @property
    def subscribed(self) -> bool:
        return effective_subscription(billed=self.subscription_active, override=self.subscription_override)

    @property
    def address(self) -> Address:
        return Address(
            line1=self.line1,
            line2=self.line2,
            city=self.city,
            state=self.state,
            postal_code=self.postal_code,
            country=self.country,
            lat=self.lat,
            lng=self.lng,
        )

    def as_event(self) -> StoreChanged:
        """The snapshot that other services project, and what the owner answers when one of them asks."""
        return StoreChanged(
            store_id=self.id,
            version=self.version,
            type=self.type,
            company_name=self.company_name,
            dba_name=self.dba_name,
            phone=self.phone,
            email=self.email,
            kyc_status=self.standing,
            subscription_override=self.subscription_override,
            owner_user_id=self.owner_user_id,
            address=self.address,
            delivery_radius_meters=self.delivery_radius_meters,
            logo_media_id=self.logo_media_id,
            logo_gcs_key=self.logo_gcs_key,
            logo_url=self.logo_url,
            badge=self.badge,
            ratings=self.ratings,
            created_at=self.created_at,
            updated_at=self.updated_at,
            deleted=self.deleted_at is not None,
        )


class OwnerDetail(BaseModel):
    model_config = ConfigDict(frozen=True)

    id: UUID
    full_name: str
    email: str
    last_active_at: datetime | None
    role: Role | None
