"""Cursors are opaque, belong to one list, and anything else is refused by name."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.page import binding, cut, decode_cursor, encode_cursor
from kernel.refusal import Invalid

LIST = binding("products", {"state": "OK", "sort": "newest"})


@given(st.lists(st.one_of(st.none(), st.integers(), st.text()), min_size=1, max_size=4))
def test_a_cursor_gives_back_its_values(values: list[str | int | None]) -> None:
    assert decode_cursor(encode_cursor(LIST, values), LIST, len(values)) == values


@given(st.text(max_size=60))
def test_a_malformed_cursor_is_refused_by_name(cursor: str) -> None:
    with pytest.raises(Invalid) as refusal:
        decode_cursor(cursor, LIST, 2)
    assert refusal.value.details == {"cursor": "is invalid"}


def test_a_cursor_of_other_filters_is_refused() -> None:
    cursor = encode_cursor(binding("products", {"state": "TX", "sort": "newest"}), [1, "a"])
    with pytest.raises(Invalid):
        decode_cursor(cursor, LIST, 2)


def test_a_cursor_with_too_many_values_is_refused() -> None:
    forged = base64.urlsafe_b64encode(json.dumps([LIST, 1, 2, 3]).encode()).decode()
    with pytest.raises(Invalid):
        decode_cursor(forged, LIST, 2)


def test_filters_that_are_absent_do_not_change_the_binding() -> None:
    assert binding("products", {"state": "OK", "q": None}) == binding("products", {"state": "OK"})


def test_the_surplus_row_only_tells_that_more_follow() -> None:
    page = cut([1, 2, 3], 2, str)
    assert (list(page.rows), page.next) == ([1, 2], "2")
    assert cut([1, 2], 2, str).next is None
