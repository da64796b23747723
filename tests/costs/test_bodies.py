"""What bodies cost: as genai-prices says, on every recorded one."""

import json
import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import genai_prices
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emonk.costs import cost_of
from emonk.errors import EmonkError, InvalidConfig, UnknownPrice
from emonk.records import Usage

FILES = {
    "gemini": ("google", "default"),
    "openai_chat": ("openai", "chat"),
    "openai_responses": ("openai", "responses"),
    "anthropic": ("anthropic", "default"),
}


def bodies(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every body, and every event of a stream that carries usage."""
    for line in path.read_text().splitlines():
        row = json.loads(line)
        body: Any = row["response"]
        if row["status"] != 200:
            continue
        found: Iterator[dict[str, Any]] = events(body) if isinstance(body, str) else iter([body])
        for one in found:
            yield row["id"], one


def events(stream: str) -> Iterator[dict[str, Any]]:
    for data in re.findall(r"^data: ?(\{.*)$", stream, re.MULTILINE):
        event: Any = json.loads(data)
        whole: dict[str, Any] = event.get("response") or event.get("message") or event
        if whole.get("usage") or whole.get("usageMetadata"):
            yield whole


@pytest.mark.parametrize("name", FILES)
def test_every_recorded_body_costs_what_genai_prices_says(shared_data: Path, name: str) -> None:
    provider, flavor = FILES[name]
    compared = 0
    for row, body in bodies(shared_data / f"{name}.jsonl"):
        try:
            expected = genai_prices.extract_usage(body, provider_id=provider, api_flavor=flavor).calc_price()
        except (LookupError, ValueError):
            continue
        assert cost_of(provider, body).total_usd == expected.total_price, row
        compared += 1
    assert compared > 50


def test_recorded_bodies_of_other_servers_are_priced_by_who_sells_the_model(shared_data: Path) -> None:
    unknown: set[str] = set()
    sold: dict[str, str] = {}
    for _, body in bodies(shared_data / "openai_chat.jsonl"):
        try:
            cost = cost_of("openai", body)
        except UnknownPrice:
            unknown.add(body.get("model") or "")
            continue
        sold[body["model"]] = cost.rates.name
    assert unknown == {"groq/compound", "gpt-oss:20b", "minimax/minimax-m2:free"}
    assert sold["openai/gpt-oss-120b"] == "groq/openai/gpt-oss-120b"
    assert sold["anthropic/claude-4.6-sonnet-20260217"] == "openrouter/anthropic/claude-sonnet-4.6"
    assert sold["deepseek-reasoner"].startswith("deepseek/")
    assert sold["glm-4.7"].lower().endswith("/glm-4.7")


def gemini(**usage: Any) -> dict[str, Any]:
    return {"modelVersion": "gemini-2.5-flash", "usageMetadata": usage}


def test_thoughts_tool_use_and_cached_tokens_are_counted() -> None:
    body = gemini(
        promptTokenCount=1000,
        candidatesTokenCount=10,
        thoughtsTokenCount=90,
        toolUsePromptTokenCount=500,
        cachedContentTokenCount=400,
    )
    cost = cost_of("google", body)
    assert cost.usage == Usage(1500, 100, 400, 0, 90)
    rates = cost.rates
    assert cost.total_usd == (rates.input * 1100 + rates.cached_input * 400 + rates.output * 100) / 1_000_000
    assert cost.extra_usd == 0


def test_audio_costs_what_audio_costs() -> None:
    spoken = gemini(promptTokenCount=1000, promptTokensDetails=[{"modality": "AUDIO", "tokenCount": 1000}])
    cost = cost_of("google", spoken)
    assert cost.total_usd > cost_of("google", gemini(promptTokenCount=1000)).total_usd
    assert cost.total_usd == cost.rates.cost(cost.usage) + cost.extra_usd


@pytest.mark.parametrize("modality", [1.5, None, True, [{}], {}])
def test_details_that_make_no_sense_are_left_out(modality: Any) -> None:
    said = gemini(promptTokenCount=1000, promptTokensDetails=[{"modality": modality, "tokenCount": 1000}])
    assert cost_of("google", said).total_usd == cost_of("google", gemini(promptTokenCount=1000)).total_usd


def test_searches_and_a_cache_of_an_hour_are_billed() -> None:
    body: dict[str, Any] = {
        "model": "claude-sonnet-4-5-20250929",
        "usage": {"input_tokens": 10, "cache_creation_input_tokens": 1000, "output_tokens": 5},
    }
    plain = cost_of("anthropic", body).total_usd
    body["usage"]["cache_creation"] = {"ephemeral_1h_input_tokens": 1000}
    assert cost_of("anthropic", body).total_usd - plain == Decimal("0.00225")
    body["usage"]["server_tool_use"] = {"web_search_requests": 2}
    assert cost_of("anthropic", body).total_usd - plain == Decimal("0.02225")


def test_the_last_event_of_a_stream_is_a_body_too() -> None:
    done = {
        "type": "response.completed",
        "response": {"model": "gpt-5", "usage": {"input_tokens": 100, "output_tokens": 10}},
    }
    assert cost_of("openai", done) == cost_of("openai", done["response"])  # type: ignore[arg-type]
    delta = {"type": "message_delta", "usage": {"input_tokens": 100, "output_tokens": 10}}
    assert cost_of("anthropic", delta, model="claude-sonnet-4-5").usage == Usage(100, 10)


def test_the_model_that_is_asked_for_counts_before_that_of_the_body() -> None:
    body = gemini(promptTokenCount=1000)
    assert cost_of("google", body, model="gemini-2.5-pro").rates.name == "google/gemini-2.5-pro"
    with pytest.raises(UnknownPrice):
        cost_of("google", body, model="no-such-model")


def test_a_resource_name_is_the_model_at_its_end() -> None:
    body = {**gemini(promptTokenCount=10), "modelVersion": "publishers/google/models/gemini-2.5-pro"}
    assert cost_of("google", body).rates.name == "google/gemini-2.5-pro"


def test_prices_are_those_of_the_day() -> None:
    body = {"model": "o3", "usage": {"prompt_tokens": 1000, "completion_tokens": 0}}
    assert cost_of("openai", body, at=date(2025, 5, 1)).total_usd > cost_of("openai", body).total_usd


def test_an_unknown_model_names_near_ones() -> None:
    with pytest.raises(UnknownPrice, match=r"gemini-9\.5-flash") as caught:
        cost_of("google", {**gemini(promptTokenCount=1), "modelVersion": "gemini-9.5-flash"})
    assert "gemini-3.5-flash" in caught.value.hint


@pytest.mark.parametrize("body", [{}, {"usage": None, "model": "gpt-5"}, {"usage": {"prompt_tokens": 1}}, {"usage": 7}])
def test_a_body_without_tokens_or_model_has_no_price(body: dict[str, Any]) -> None:
    with pytest.raises(UnknownPrice):
        cost_of("openai", body)


@pytest.mark.parametrize(("provider", "body"), [("nobody", {}), ("openai", []), ("google", "text")])
def test_what_is_no_body_is_refused(provider: str, body: Any) -> None:
    with pytest.raises(InvalidConfig):
        cost_of(provider, body)


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10**6) | st.floats(allow_nan=True) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
USAGE = {
    "google": ("promptTokenCount", "cachedContentTokenCount", "promptTokensDetails", "thoughtsTokenCount"),
    "openai": ("prompt_tokens", "input_tokens", "completion_tokens", "prompt_tokens_details", "total_tokens"),
    "anthropic": ("input_tokens", "cache_read_input_tokens", "output_tokens", "cache_creation", "server_tool_use"),
}


@given(st.sampled_from(sorted(USAGE)), st.data())
def test_no_body_makes_it_fail_or_cost_less_than_nothing(provider: str, data: st.DataObject) -> None:
    usage = data.draw(st.dictionaries(st.sampled_from(USAGE[provider]), anything, min_size=1))
    key = "usageMetadata" if provider == "google" else "usage"
    model = {"google": "gemini-2.5-flash", "openai": "gpt-5", "anthropic": "claude-sonnet-4-5"}[provider]
    try:
        cost = cost_of(provider, {key: usage, "id": data.draw(anything), "provider": data.draw(anything)}, model=model)
    except EmonkError:
        return
    assert cost.total_usd.is_finite()
    assert cost.total_usd >= 0
