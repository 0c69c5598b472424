"""The days of a licence, and when two numbers are one: values in, values out (spec 2.4)."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from identity.domain.licences import Licence
from identity.domain.media import IMAGES, LICENCE_SCAN, PICTURES, USABLE
from identity.domain.names import KEY_LENGTH, licence_key

TODAY = date(2026, 11, 26)
NOW = datetime(2026, 11, 26, 18, tzinfo=UTC)
NOBODY = UUID(int=0)


def a_licence(days: int | None = None, **facts: Any) -> Licence:
    """Verified, and good for so many more days."""
    empty = dict.fromkeys(Licence.model_fields)
    ids = dict.fromkeys(("id", "store_id", "user_id", "media_id", "attachment_id"), NOBODY)
    last_day = None if days is None else TODAY + timedelta(days=days)
    known = {"status": "verified", "type": "grower", "number": "1", "gcs_key": "k", "issuing_state": "OK"}
    times = {"created_at": NOW, "updated_at": NOW, "expiration_date": last_day}
    return Licence.model_validate({**empty, **ids, **known, **times, **facts})


@pytest.mark.parametrize(
    ("days", "left"), [(None, None), (15, None), (14, 14), (1, 1), (0, 0), (-1, None), (-400, None)]
)
def test_a_warning_is_due_from_14_days_before_the_last_day_until_that_day(days: int | None, left: int | None) -> None:
    assert a_licence(days).days_to_warn_of(TODAY) == left
    assert a_licence(days, warned_at=NOW).days_to_warn_of(TODAY) is None
    for status in ("pending", "rejected", "expired"):
        assert a_licence(days, status=status).days_to_warn_of(TODAY) is None


@pytest.mark.parametrize(("days", "ends"), [(None, False), (1, False), (0, False), (-1, True)])
def test_a_licence_ends_on_the_day_after_its_last(days: int | None, ends: bool) -> None:
    assert a_licence(days).expires_now(TODAY) is ends
    assert a_licence(days, status="pending").is_past(TODAY) is ends
    assert not a_licence(days, status="pending").expires_now(TODAY)


def test_an_expired_licence_is_kept_for_30_days_to_the_second() -> None:
    expired = a_licence(-31, status="expired", expired_at=NOW)
    assert not expired.is_outlived(NOW + timedelta(days=30) - timedelta(seconds=1))
    assert expired.is_outlived(NOW + timedelta(days=30))
    assert not a_licence(-31, status="rejected", expired_at=None).is_outlived(NOW + timedelta(days=400))


@pytest.mark.parametrize(("status", "may_go"), [("pending", 0), ("verified", 0), ("rejected", 1), ("expired", 1)])
def test_only_what_counts_for_nothing_may_go(status: str, may_go: int) -> None:
    assert a_licence(status=status).may_go == bool(may_go)


def test_a_number_is_one_number_however_it_is_written() -> None:
    assert {licence_key(text) for text in ("gaaa-12", " GAAA - 12 ", "\uff27aaa-1\u00a02")} == {"gaaa-12"}
    assert licence_key("GAAA-12") != licence_key("GAAA12")
    assert len(licence_key("\ufdfa" * 100)) == KEY_LENGTH


def test_a_scan_may_be_a_pdf_and_a_picture_of_a_store_may_not() -> None:
    assert LICENCE_SCAN.mime_types - IMAGES == {"application/pdf"}
    assert {use.mime_types for use in PICTURES.values()} == {IMAGES}
    assert {use.entity_type for use in PICTURES.values()} == {"store_logo", "store_banner"}
    assert {"uploaded", "ready"} == USABLE
