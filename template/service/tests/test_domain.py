"""Rules, without anything around them."""

import pytest

from newservice.domain import title_key


@pytest.mark.parametrize("spelling", ["House Blend", "house  blend", " HOUSE BLEND "])
def test_case_and_spaces_do_not_make_another_title(spelling: str) -> None:
    assert title_key(spelling) == "house blend"


def test_another_word_does() -> None:
    assert title_key("House Blend") != title_key("House Blends")
