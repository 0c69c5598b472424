"""Texts, days, ids, machines and refusals."""

from datetime import UTC, date, datetime
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.clock import business_day
from kernel.ids import derived_id
from kernel.machine import Machine
from kernel.refusal import Conflict, Invalid, StateConflict, Unavailable
from kernel.text import cleaned, like_pattern


@given(st.text())
def test_cleaned_text_stays_clean(text: str) -> None:
    once = cleaned(text)
    assert cleaned(once) == once
    assert "\x00" not in once


def test_cleaning_keeps_lines_and_composes_accents() -> None:
    assert cleaned(" e\u0301 one\ntwo\x07 ") == "\u00e9 one\ntwo"


def test_wildcards_in_a_search_are_literal() -> None:
    assert like_pattern(r"50%_\ off") == r"%50\%\_\\ off%"


def test_a_business_day_ends_at_midnight_in_chicago() -> None:
    assert business_day(datetime(2026, 7, 2, 4, 59, tzinfo=UTC)) == date(2026, 7, 1)
    assert business_day(datetime(2026, 7, 2, 5, 0, tzinfo=UTC)) == date(2026, 7, 2)
    assert business_day(datetime(2026, 12, 2, 5, 59, tzinfo=UTC)) == date(2026, 12, 1)


def test_derived_ids_follow_from_their_parts() -> None:
    checkout, line = uuid4(), uuid4()
    assert derived_id(checkout, line) == derived_id(checkout, line)
    assert derived_id(checkout, line) != derived_id(line, checkout)


def test_a_pair_that_is_not_in_the_table_is_refused_with_its_facts() -> None:
    machine = Machine({("open", "close"): "closed"})
    assert machine.after("open", "close") == "closed"
    assert not machine.allows("closed", "close")
    with pytest.raises(StateConflict) as refusal:
        machine.after("closed", "close")
    assert refusal.value.reason == "transition"
    assert refusal.value.details == {"from": "closed", "action": "close"}


def test_refusals_carry_what_programs_branch_on() -> None:
    assert Invalid.field("email").details == {"email": "is invalid"}
    assert Conflict.duplicate("sku").reason == "duplicate"
    away = Unavailable("catalog")
    assert (away.code, away.details, away.retry_after) == ("DEPENDENCY_ERROR", {"service": "catalog"}, 2)
