"""Prices of one's own."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from emonk.agent.file import read_agent_file
from emonk.costs import PriceBook, PriceOverride
from emonk.errors import InvalidConfig, UnknownPrice
from emonk.records import Usage

MILLION = Usage(1_000_000, 1_000_000)


def test_an_own_price_counts_before_the_list() -> None:
    book = PriceBook([PriceOverride(model="gemini:gemini-2.5-flash", input=1, output=2)])
    cost = book.cost("gemini:gemini-2.5-flash", MILLION)
    assert (cost.total_usd, cost.rates.source) == (3, "agent.yaml")


def test_vertex_may_cost_something_else() -> None:
    book = PriceBook([PriceOverride(model="vertex:gemini-2.5-flash", input=1, output=2)])
    other = book.cost("gemini:gemini-2.5-flash", MILLION)
    assert other.rates.source == "genai-prices"
    assert book.cost("vertex:gemini-2.5-flash", MILLION, model="gemini-2.5-flash-001").total_usd == 3


def test_every_kind_of_token_has_its_price() -> None:
    own = PriceOverride(model="openai:x", input=1.1, output=2, cached_input=0.1, cache_write=3)
    usage = Usage(3_000_000, 1_000_000, 1_000_000, 1_000_000)
    assert PriceBook([own]).cost("openai:x", usage).total_usd == Decimal("6.2")


def test_cached_tokens_without_a_price_cost_what_others_do() -> None:
    book = PriceBook([PriceOverride(model="openai:x", input=1, output=0)])
    assert book.cost("openai:x", Usage(1_000_000, 0, 500_000)).total_usd == 1


def test_a_price_counts_from_its_day_on() -> None:
    book = PriceBook(
        [
            PriceOverride(model="openai:x", input=1, output=0),
            PriceOverride(model="openai:x", input=2, output=0, since=date(2026, 11, 1)),
        ]
    )
    costs = [book.cost("openai:x", MILLION, at=day).total_usd for day in (date(2026, 10, 31), date(2026, 11, 1))]
    assert costs == [1, 2]


def test_before_its_first_day_there_is_no_own_price() -> None:
    book = PriceBook([PriceOverride(model="openai:x", input=1, output=0, since=date(2026, 11, 1))])
    with pytest.raises(UnknownPrice):
        book.cost("openai:x", MILLION, at=date(2026, 10, 31))


def test_a_star_means_all_that_begin_so_and_a_whole_name_goes_before_it() -> None:
    book = PriceBook(
        [PriceOverride(model="openai:*", input=0, output=0), PriceOverride(model="openai:gpt-5", input=1, output=1)]
    )
    assert book.cost("openai:llama3", MILLION).total_usd == 0
    assert book.cost("openai:gpt-5", MILLION).total_usd == 2
    assert book.cost("openai-responses:gpt-5", MILLION).total_usd == 2


def test_a_local_model_is_unpriced_and_never_free_by_itself() -> None:
    with pytest.raises(UnknownPrice):
        PriceBook(unpriced="allow").cost("openai:llama3", MILLION)


def test_a_model_costs_what_the_endpoint_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "https://api.groq.com/openai/v1")
    assert PriceBook().cost("openai:openai/gpt-oss-120b", MILLION).rates.name == "groq/openai/gpt-oss-120b"
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:11434/v1")
    with pytest.raises(UnknownPrice):
        PriceBook().cost("openai:openai/gpt-oss-120b", MILLION)
    assert PriceBook().cost("openai:gpt-5", MILLION).rates.name == "openai/gpt-5"


@pytest.mark.parametrize("model", ["gpt-oss-120b", "gpt-oss:20b", "gpt-oss-20b"])
def test_open_weights_have_no_price_where_nobody_is_known_to_serve_them(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:8000/v1")
    with pytest.raises(UnknownPrice):
        PriceBook().cost(f"openai:{model}", MILLION)
    assert PriceBook().cost("openai:gpt-4o", MILLION).rates.name == "openai/gpt-4o"
    monkeypatch.setenv("OPENAI_BASE_URL", "https://api.openai.com/v1")
    assert PriceBook().cost("openai:gpt-oss-120b", MILLION).total_usd > 0


@pytest.mark.parametrize("price", [-1, float("nan"), float("inf"), "0.3", None])
def test_what_is_no_price_is_refused(price: object) -> None:
    with pytest.raises((InvalidConfig, msgspec.ValidationError)):
        msgspec.convert({"model": "openai:x", "input": price, "output": 1}, PriceOverride)


@pytest.mark.parametrize("model", ["x", "nobody:x", "openai:", "offline", "openai:a*b"])
def test_what_names_no_model_has_no_price(model: str) -> None:
    with pytest.raises(InvalidConfig):
        PriceOverride(model=model, input=1, output=1)


FILE = "agent:\n  name: a\n  llm: {model: offline}\n  prices:\n    - model: openai:x\n      input: 1\n"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("      output: -1\n", r":7: agent\.prices\[0\]\.output: must be a number \(at least 0\), not -1"),
        ("      output: .nan\n", r":7: agent\.prices\[0\]\.output: must be a number \(at least 0\), not nan"),
        ("      output: free\n", r":7: agent\.prices\[0\]\.output: must be a number \(at least 0\), not text"),
        ("      output: 1\n      cached: 1\n", r":8: agent\.prices\[0\]\.cached: is no known key .*cached_input"),
        ("      output: 1e999\n", r":5: agent\.prices\[0\]: the price of .*, output, is inf"),
        ("      output: 1\n      from: soon\n", r":8: agent\.prices\[0\]\.from: "),
        ("      output: 1\n    - {model: x, input: 1, output: 1}\n", r":8: agent\.prices\[1\]: 'x' names no model"),
    ],
)
def test_a_mistake_in_a_file_names_line_and_key(tmp_path: Path, lines: str, said: str) -> None:
    path = tmp_path / "agent.yaml"
    path.write_text(FILE + lines)
    with pytest.raises(InvalidConfig, match=said):
        read_agent_file(path)


def test_a_file_gives_prices(tmp_path: Path) -> None:
    path = tmp_path / "agent.yaml"
    path.write_text(FILE + "      output: 0.1\n      from: 2026-11-01\n")
    assert read_agent_file(path).prices == [
        PriceOverride(model="openai:x", input=1, output=0.1, since=date(2026, 11, 1))
    ]


@pytest.mark.parametrize("price", [Decimal("0.3"), Decimal("sNaN"), "0.3", 1e300, 10**400, True, -1, float("nan")])
@pytest.mark.parametrize("kind", ["input", "cached_input"])
def test_what_is_no_price_is_refused_where_it_is_made(kind: str, price: object) -> None:
    given: dict[str, Any] = {"input": 1, "output": 1} | {kind: price}
    with pytest.raises(InvalidConfig, match=f"the price of openai:x, {kind},"):
        PriceOverride(model="openai:x", **given)
