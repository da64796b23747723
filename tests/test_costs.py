"""Prices: those of genai-prices, fast."""

from datetime import date
from decimal import Decimal

import genai_prices
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emonk.costs import check_priced, price
from emonk.errors import UnknownPrice
from emonk.records import Usage

counts = st.integers(0, 2_000_000)


@given(
    st.sampled_from(["gemini-2.0-flash", "gemini-2.5-pro", "gemini-2.5-flash", "gemini-3-pro-preview"]),
    counts,
    counts,
    st.floats(0, 1),
)
def test_a_price_equals_that_of_genai_prices_whatever_the_tier(
    name: str, input_tokens: int, output_tokens: int, share: float
) -> None:
    cached = int(input_tokens * share)
    tokens = genai_prices.Usage(input_tokens=input_tokens, output_tokens=output_tokens, cache_read_tokens=cached)
    expected = genai_prices.calc_price(tokens, name, provider_id="google").total_price
    assert price(f"gemini:{name}", Usage(input_tokens, output_tokens, cached)) == expected


def test_the_offline_model_costs_nothing() -> None:
    assert price("offline", Usage(10, 10)) == Decimal(0)


def test_the_name_in_the_answer_counts_first_and_the_configured_one_when_it_is_unknown() -> None:
    asked = price("gemini:gemini-2.0-flash", Usage(1000, 1000))
    assert price("gemini:gemini-2.0-flash", Usage(1000, 1000), model="no-such-name") == asked
    assert price("gemini:gemini-2.0-flash", Usage(1000, 1000), model="gemini-2.5-pro") > asked


def test_an_unknown_model_is_an_error_that_names_near_ones() -> None:
    with pytest.raises(UnknownPrice, match=r"gemini-2\.0-flash") as caught:
        check_priced("gemini:gemini-2.0-flush")
    assert "limits.usd" in caught.value.hint


@pytest.mark.parametrize("spec", ["nobody:x", "scripted", "gemini:"])
def test_a_provider_without_prices_is_an_error(spec: str) -> None:
    with pytest.raises(UnknownPrice):
        price(spec, Usage(1, 1), at=date(2026, 1, 1))
