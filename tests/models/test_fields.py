"""Fields of JSON that others wrote."""

from typing import Any

import pytest

from emonk.models.fields import MOST_TOKENS, as_count


@pytest.mark.parametrize(
    ("value", "count"),
    [(7, 7), ("7", 7), (0, 0), (-1, 0), (None, 0), (True, 0), (1.5, 0), ("x", 0), ("9" * 18, MOST_TOKENS)],
)
def test_a_count_is_a_whole_number(value: Any, count: int) -> None:
    assert as_count(value) == count


@pytest.mark.parametrize("value", [MOST_TOKENS + 1, 10**25])
def test_a_count_is_at_most_what_can_be_kept(value: int) -> None:
    assert as_count(value) == MOST_TOKENS
