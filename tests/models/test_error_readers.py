"""Whatever a provider answers, each reader makes one of emonk's errors of it, quickly and in one line."""

import json
import time
from collections.abc import Callable, Mapping
from math import isfinite
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emonk.errors import ConfigError, EmonkError, InfraError, MalformedOutput
from emonk.models.anthropic import errors as anthropic_errors
from emonk.models.gemini import errors as gemini_errors
from emonk.models.openai import errors as openai_errors

Reader = Callable[..., InfraError | ConfigError | MalformedOutput]
READERS: dict[str, Reader] = {
    "gemini": gemini_errors.read_failure,
    "openai": openai_errors.read_failure,
    "anthropic": anthropic_errors.read_failure,
}
HEADERS = (
    "Retry-After", "retry-after-ms", "x-ratelimit-reset-requests", "x-ratelimit-remaining-requests",
    "x-ratelimit-reset", "anthropic-ratelimit-tokens-reset", "anthropic-ratelimit-tokens-remaining",
)  # fmt: skip
WORDS = st.sampled_from(
    ["insufficient_quota", "rate_limit_error", "overloaded_error", "context_length_exceeded", "error", "429", "tokens",
     "Please try again in 6m0s", "prompt is too long", "RESOURCE_EXHAUSTED", "1s", "2025-06-15T15:07:40Z", "9" * 30]
)  # fmt: skip
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text() | WORDS
)
KEYS = st.sampled_from(
    ["error", "message", "type", "code", "details", "detail", "metadata", "raw", "headers", "response", "object",
     "reasons", "X-RateLimit-Reset", "error_code", "msg", "retryDelay", "violations"]
)  # fmt: skip
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5))
BODIES = st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode())
VALUES = st.text(max_size=40) | WORDS | st.floats().map(str) | st.integers().map(str)


def sane(error: EmonkError) -> None:
    assert isinstance(error, InfraError | ConfigError | MalformedOutput)
    assert str(error)
    if isinstance(error, InfraError) and error.retry_after is not None:
        assert error.retry_after >= 0


@pytest.mark.parametrize("provider", READERS)
@settings(deadline=None, max_examples=300)
@given(status=st.integers(200, 599), headers=st.dictionaries(st.sampled_from(HEADERS), VALUES), body=BODIES)
def test_any_answer_is_one_of_our_errors(provider: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
    error = READERS[provider](status, headers, body, model="m")
    sane(error)
    if provider != "gemini" and isinstance(error, InfraError):
        assert error.retry_after is None or isfinite(error.retry_after)
        assert "\n" not in error.message


@pytest.mark.parametrize("provider", READERS)
@settings(deadline=None, max_examples=200)
@given(st.data())
def test_a_damaged_answer_is_one_of_our_errors(provider: str, data: st.DataObject) -> None:
    body: Any = {
        "error": {"type": "rate_limit_error", "code": 429, "message": "Please try again in 6m0s", "metadata": {}}
    }
    raw = bytearray(json.dumps([body] if data.draw(st.booleans()) else body).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    sane(READERS[provider](data.draw(st.integers(300, 599)), {}, bytes(raw), model="m"))


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
@pytest.mark.parametrize(
    "text",
    ["exceed ", "requested tokens ", "<title", "try again in 1m", "max_tokens", "context length ", "1d" * 9, "[", "{"],
)
def test_no_answer_takes_long_to_read(provider: str, text: str) -> None:
    raw = (text * (256 * 1024 // len(text))).encode()
    began = time.process_time()
    told = [{"error": raw.decode()}, {"error": {"message": raw.decode(), "code": 429}}]
    for body in (raw, *(json.dumps(each).encode() for each in told)):
        for status in (200, 400, 429):
            sane(READERS[provider](status, {}, body, model="m"))
    assert time.process_time() - began < 1.0


@pytest.mark.parametrize(
    ("provider", "names"), [("openai", ["openai_chat", "openai_responses"]), ("anthropic", ["anthropic"])]
)
def test_answers_that_were_recorded_as_good_are_no_errors_of_a_known_kind(
    shared_data: Path, provider: str, names: list[str]
) -> None:
    for name in names:
        for line in (shared_data / f"{name}.jsonl").read_text().splitlines():
            row = json.loads(line)
            if row["status"] < 400 and not row["stream"]:
                error = READERS[provider](200, {}, json.dumps(row["response"]).encode(), model="m")
                assert error.code == "malformed_body"
