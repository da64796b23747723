"""Prices: those of genai-prices, fast."""

from datetime import UTC, date, datetime, time
from decimal import Decimal

import genai_prices
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emonk.costs import PriceBook, PriceOverride, Rates, check_priced, price
from emonk.costs.search import near
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
    with pytest.raises(UnknownPrice, match=r"gemini-3\.5-flash") as caught:
        check_priced("gemini:gemini-3.5-flush")
    assert "limits.usd" not in caught.value.hint
    assert "gemini-3.5-flash, " in caught.value.hint


def test_no_near_name_is_of_a_model_that_ended() -> None:
    assert "gemini-2.5-pro" in near("google", "gemini-2.5-por", date(2026, 11, 30))
    assert "gemini-2.5-pro" not in near("google", "gemini-2.5-por", date(2026, 12, 1))
    assert near("openrouter", "openai/o4-mimi", date(2026, 10, 22)).count("openai/o4-mini") == 1
    assert "openai/o4-mini" not in near("openrouter", "openai/o4-mimi", date(2026, 10, 23))


@pytest.mark.parametrize("spec", ["nobody:x", "scripted", "gemini:"])
def test_a_provider_without_prices_is_an_error(spec: str) -> None:
    with pytest.raises(UnknownPrice):
        price(spec, Usage(1, 1), at=date(2026, 1, 1))


def test_a_cost_says_the_rates_of_the_tier_for_the_whole_request() -> None:
    book = PriceBook()
    short = book.cost("gemini:gemini-2.5-pro", Usage(200_000, 10))
    long = book.cost("gemini:gemini-2.5-pro", Usage(200_001, 10))
    assert (short.rates.input, long.rates.input) == (Decimal("1.25"), Decimal("2.5"))
    assert long.total_usd == (Decimal("2.5") * 200_001 + Decimal(15) * 10) / 1_000_000
    assert long.rates.name == "google/gemini-2.5-pro"


def test_rates_are_kept_in_a_row_as_text() -> None:
    rates = PriceBook().cost("gemini:gemini-2.5-pro", Usage(1, 1)).rates
    row = rates.as_row()
    assert row["input"] == "1.25"
    assert all(isinstance(value, str) for value in row.values())
    assert msgspec.convert(row, Rates) == rates


def test_a_price_is_that_of_the_day_of_the_call() -> None:
    for day in (date(2025, 6, 1), date(2026, 10, 1)):
        noon = datetime.combine(day, time(12), UTC)
        expected = genai_prices.calc_price(
            genai_prices.Usage(input_tokens=1000, output_tokens=10),
            "o3",
            provider_id="openai",
            genai_request_timestamp=noon,
        )
        assert price("openai:o3", Usage(1000, 10), at=day) == expected.total_price
    assert price("openai:o3", Usage(1000), at=date(2025, 5, 1)) > price("openai:o3", Usage(1000), at=date(2026, 1, 1))


@given(counts, counts, counts, counts)
def test_no_usage_has_a_negative_cost(fresh: int, cached: int, written: int, output: int) -> None:
    assert price("anthropic:claude-sonnet-4-5", Usage(fresh, output, cached, written)) >= 0


def test_what_is_not_sold_by_the_token_has_no_price() -> None:
    with pytest.raises(UnknownPrice):
        price("openai:whisper-1", Usage(1, 1))


@pytest.mark.parametrize("pattern", ["openai:*", "openai:gpt-4o*", "openai:gpt-4o-*"])
def test_a_whole_name_counts_before_a_pattern_that_fits_the_version_in_the_answer(pattern: str) -> None:
    own = PriceBook(
        [PriceOverride(model="openai:gpt-4o", input=1, output=1), PriceOverride(model=pattern, input=9, output=9)]
    )
    asked, version = "openai:gpt-4o", "gpt-4o-2024-08-06"
    assert own.cost(asked, Usage(1_000_000), model=version).total_usd == 1
    assert own.cost(f"openai:{version}", Usage(1_000_000)).total_usd == 9
    both = PriceBook([*own.overrides, PriceOverride(model=f"openai:{version}", input=2, output=2)])
    assert both.cost(asked, Usage(1_000_000), model=version).total_usd == 2
