"""The token estimate: what counts, and that it is near what providers report."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emonk.messages import Blob, Foreign, Text, Thinking, ToolCall, assistant, tool_result, user
from emonk.models.protocol import ToolSchema
from emonk.models.tokens import (
    FAMILIES,
    UNKNOWN,
    family_of,
    keeps_thoughts,
    tokens_of_answer,
    tokens_of_message,
    tokens_of_request,
    tokens_of_text,
)
from emonk.models.windows import window_of
from emonk.records import Usage
from emonk.testing.recorded_requests import FORMATS
from tests.conftest import PROJECT

ALL = (*FAMILIES.values(), UNKNOWN)


@pytest.fixture(scope="module")
def benchmark() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("tokens_benchmark", PROJECT / "benchmarks" / "tokens.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["tokens_benchmark"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules["tokens_benchmark"]


def test_after_one_reported_usage_the_estimate_is_near(benchmark: ModuleType, shared_data: Path) -> None:
    judged = [one for name in FORMATS for one in benchmark.after_usage(shared_data, name) if one.contained]
    found = benchmark.summary(judged)
    assert found["requests"] >= 90
    assert found["median"] <= 0.08
    assert found["p95"] <= 0.20


def test_without_recordings_the_benchmark_says_that_it_is_skipped(
    benchmark: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["tokens.py", str(tmp_path / "none")])
    assert benchmark.main() == 0
    assert capsys.readouterr().out.startswith("skipped: no recorded exchanges")


@given(st.text(max_size=200), st.text(max_size=200))
def test_text_has_as_many_tokens_as_its_parts(one: str, two: str) -> None:
    for family in ALL:
        whole = tokens_of_text(one + two, family)
        assert abs(whole - tokens_of_text(one, family) - tokens_of_text(two, family)) < 0.001
        assert whole >= 0


def test_everything_that_is_sent_counts() -> None:
    bare = tokens_of_message(user("hi"), UNKNOWN)
    assert tokens_of_message(user([Text("hi"), Blob("image/png", b"..")]), UNKNOWN) > bare + 100
    assert tokens_of_message(assistant([Thinking("because of that")]), UNKNOWN) > tokens_of_message(
        assistant(), UNKNOWN
    )
    assert tokens_of_message(assistant(tool_calls=[ToolCall("1", "look", {"path": "a" * 400})]), UNKNOWN) > 80
    assert tokens_of_message(tool_result("1", "word " * 100), UNKNOWN) > 90
    schema = ToolSchema("look", "Look at it.", {"type": "object", "properties": {"path": {"type": "string"}}})
    assert tokens_of_request("", [schema], UNKNOWN) > 25
    assert tokens_of_request("Be brief.", (), UNKNOWN) > 5
    assert tokens_of_request("", (), UNKNOWN) == 0


def test_what_a_provider_encrypted_for_itself_does_not_count_by_its_length() -> None:
    sealed = Foreign("openai", {"type": "reasoning", "encrypted_content": "gAAAAAB" * 1000})
    assert tokens_of_message(assistant([sealed]), UNKNOWN) < 60


def test_an_answer_counts_as_reported_unless_that_hides_thoughts() -> None:
    message = assistant("Paris is sunny, and it will stay so until Friday evening.")
    assert tokens_of_answer(message, Usage(9, 14), UNKNOWN) == 18
    assert tokens_of_answer(message, Usage(9, 900, 0, 0, 886), UNKNOWN) == 18
    assert tokens_of_answer(message, Usage(9, 900), UNKNOWN) == tokens_of_message(message, UNKNOWN)


@pytest.mark.parametrize(
    ("spec", "kept"),
    [
        ("gemini:gemini-3-flash-preview", True),
        ("gemini:gemini-2.5-pro", False),
        ("vertex:gemini-3-pro", False),
        ("openai:gpt-5-mini", True),
        ("openai:o4-mini", True),
        ("openai:gpt-4o", False),
        ("anthropic:claude-sonnet-4-5", False),
        ("offline", False),
    ],
)
def test_which_models_are_shown_their_thoughts_again(spec: str, kept: bool) -> None:
    assert keeps_thoughts(spec) is kept


def test_a_model_of_no_known_family_is_estimated_too() -> None:
    assert family_of("offline") is UNKNOWN
    assert family_of("else:where") is UNKNOWN
    assert family_of("gemini:gemini-4-argon") is FAMILIES["gemini-3"]
    assert family_of("openai-responses:o3") is FAMILIES["openai"]
    assert family_of("openai:anthropic/claude-sonnet-4.6") is FAMILIES["anthropic"]
    assert family_of("openai:google/gemini-2.5-flash") is FAMILIES["gemini"]
    assert family_of("openai:qwen3:8b") is FAMILIES["openai"]


def test_the_window_of_a_model_is_known_where_the_prices_know_it() -> None:
    assert window_of("openai:gpt-4o") == 128_000
    assert window_of("openai:no-such-model") is None
    assert window_of("offline") is None
