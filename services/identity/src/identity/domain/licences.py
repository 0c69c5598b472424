"""A licence of a store: what it says, how long it is good, and what its days bring (spec 2.4)."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from contracts.identity import LicenseStatus

WARNED_BEFORE = timedelta(days=14)
KEPT_AFTER_EXPIRY = timedelta(days=30)


class LicenceType(StrEnum):
    PRODUCER = "producer"
    GROWER = "grower"
    DISPENSARY = "dispensary"
    MERCHANT = "merchant"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLicence:
    media_id: UUID
    issuing_state: str
    issue_date: date | None
    expiration_date: date | None
    type: LicenceType
    number: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Paging:
    """Which rows of a list: those of one status or of all, from a cursor on."""

    status: LicenseStatus | None
    limit: int
    cursor: str | None
    with_total: bool


class Licence(BaseModel):
    """Every column but the derived one. `expiration_date` is the last business day it is good; None is for ever."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    store_id: UUID
    user_id: UUID
    status: LicenseStatus
    media_id: UUID
    attachment_id: UUID
    gcs_key: str
    issuing_state: str
    issue_date: date | None
    expiration_date: date | None
    type: LicenceType
    number: str
    reject_reason: str | None
    reviewed_by_user_id: UUID | None
    reviewed_at: datetime | None
    warned_at: datetime | None
    expired_at: datetime | None
    created_at: datetime
    updated_at: datetime

    @property
    def may_go(self) -> bool:
        """Only what counts for nothing any more may be deleted."""
        return self.status in {"rejected", "expired"}

    def is_past(self, today: date) -> bool:
        """No grace: it is good through its last day, and not a day longer."""
        return self.expiration_date is not None and self.expiration_date < today

    def expires_now(self, today: date) -> bool:
        return self.status == "verified" and self.is_past(today)

    def days_to_warn_of(self, today: date) -> int | None:
        """How many days are left, when its store is to be told that they are few; None when it is not, or has been."""
        if self.status != "verified" or self.warned_at is not None or self.expiration_date is None:
            return None
        left = self.expiration_date - today
        return left.days if timedelta(0) <= left <= WARNED_BEFORE else None

    def is_outlived(self, now: datetime) -> bool:
        """Whether its days after expiry are over too, so that it and its scan go."""
        return self.status == "expired" and self.expired_at is not None and self.expired_at + KEPT_AFTER_EXPIRY <= now
