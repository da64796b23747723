"""Tokens as Anthropic counts them."""

import json
from pathlib import Path
from typing import Any

import pytest

from emonk.models.anthropic.usage import read_usage
from emonk.records import Usage


def test_what_the_cache_gave_and_took_is_part_of_the_input() -> None:
    said = {
        "input_tokens": 3,
        "cache_read_input_tokens": 100,
        "cache_creation_input_tokens": 20,
        "output_tokens": 7,
        "output_tokens_details": {"thinking_tokens": 5},
    }
    assert read_usage(said) == Usage(123, 7, 100, 20, 5)


@pytest.mark.parametrize("said", [None, [], "x", {}, {"input_tokens": -1, "output_tokens": "many"}])
def test_usage_that_makes_no_sense_counts_as_none(said: Any) -> None:
    assert read_usage(said) == Usage()


def test_recorded_usage_adds_up(shared_data: Path) -> None:
    seen = 0
    for line in (shared_data / "anthropic.jsonl").read_text().splitlines():
        body: Any = json.loads(line)["response"]
        said: Any = {} if isinstance(body, str) else body.get("usage")
        if said:
            usage = read_usage(said)
            assert usage.output_tokens == said["output_tokens"]
            fresh = usage.input_tokens - usage.cached_input_tokens - usage.cache_write_tokens
            assert fresh == said["input_tokens"]
            seen += 1
    assert seen > 50
