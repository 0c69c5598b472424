"""What the wire sees of licences."""

import re
from datetime import date, datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BeforeValidator, Field, model_validator

from chassis.web import CLEAN, Body, PageQuery, State
from contracts.identity import LicenseStatus
from identity.api.schemas import Reason, View
from identity.domain.licences import Licence, LicenceType, NewLicence, Paging
from kernel.refusal import Invalid

_WRITTEN = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"([Tt ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,9})?)?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])?)?"
)


def _as_written(value: Any) -> Any:
    """The date part of a date or timestamp, in whatever zone it was written (spec 2.4). Of all else no date is made."""
    found = _WRITTEN.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return value
    try:
        return date.fromisoformat(found[1])
    except ValueError:
        return value  # no day of any month, which is refused like all else that is no date


CalendarDate = Annotated[date, Field(strict=True), BeforeValidator(_as_written)]
Number = Annotated[str, Field(min_length=1, max_length=100), CLEAN]


class LicenceBody(Body):
    media_id: UUID
    issuing_state: State
    issue_date: CalendarDate | None = None
    expiration_date: CalendarDate | None = None
    type: LicenceType
    number: Number

    def licence(self) -> NewLicence:
        return NewLicence(**{name: getattr(self, name) for name in type(self).model_fields})


class ReviewBody(Body):
    decision: Literal["verified", "rejected"]
    reason: Reason | None = None

    @model_validator(mode="after")
    def _explain_a_rejection(self) -> Self:
        if self.decision == "rejected" and self.reason is None:
            raise Invalid.field("reason", "is required")
        return self


class LicencesQuery(PageQuery):
    status: LicenseStatus | None = None

    def paging(self) -> Paging:
        return Paging(status=self.status, limit=self.limit, cursor=self.cursor, with_total=self.with_total)


class QueueQuery(LicencesQuery):
    status: LicenseStatus | None = "pending"


class LicenceView(View):
    """`signed_url` leads to the scan for some minutes; only lists have it, and not while media is away."""

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
    signed_url: str | None = None

    @classmethod
    def of(cls, licence: Licence, signed_url: str | None = None) -> Self:
        return cls.model_validate({**licence.model_dump(), "signed_url": signed_url})


class DeletedView(View):
    deleted: Literal[True] = True
