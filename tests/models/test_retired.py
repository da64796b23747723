"""Names of models that were retired."""

from datetime import date

import pytest

from emonk.costs import check_priced
from emonk.models.names import names_hint, names_near
from emonk.models.retired import CURRENT, notice, retirement

TODAY = date(2026, 11, 26)


@pytest.mark.parametrize(
    ("spec", "line"),
    [
        ("gemini:gemini-2.0-flash", "was retired on 2026-06-01: its successor is gemini:gemini-3.5-flash"),
        ("vertex:gemini-2.0-flash-001", "was retired on 2026-06-01: its successor is vertex:gemini-3.5-flash"),
        ("openai:o4-mini-2025-04-16", "was retired on 2026-10-23: its successor is openai:gpt-5.6-terra"),
        (
            "anthropic:claude-3-7-sonnet-latest",
            "was retired on 2026-02-19: its successor is anthropic:claude-sonnet-4-6",
        ),
        ("openai-responses:gpt-5", "will be retired on 2026-12-11: its successor is openai-responses:gpt-6.1-sol"),
    ],
)
def test_a_retired_name_is_told_with_its_successor(spec: str, line: str) -> None:
    assert notice(spec, TODAY) == f"{spec} {line}"


def test_an_end_that_is_far_away_is_not_told_yet() -> None:
    assert notice("openai:gpt-4o", date(2026, 9, 1)) == ""
    assert "2027-01-14" in notice("openai:gpt-4o", TODAY)


def test_a_successor_has_not_been_retired_itself() -> None:
    found = retirement("gemini:gemini-1.5-flash-002")
    assert found is not None
    assert (found.day, found.successor) == (date(2025, 9, 29), "gemini-3.5-flash-lite")
    assert notice("openai:gpt-4o-2024-05-13", TODAY).endswith("openai:gpt-5.6-sol")


@pytest.mark.parametrize(
    "spec", ["offline", "gemini:gemini-9", "openai:llama3", "openai:", "nobody:gpt-4", "gemini:gpt-4", "scripted"]
)
def test_other_names_are_not_judged(spec: str) -> None:
    assert retirement(spec) is None


@pytest.mark.parametrize("provider", CURRENT)
def test_what_we_name_as_current_is_sold_and_not_about_to_end(provider: str) -> None:
    spec = f"{provider}:{CURRENT[provider]}"
    check_priced(spec)
    assert retirement(spec) is None


def test_a_name_that_a_provider_has_no_more_is_refused_with_its_successor() -> None:
    hint = names_hint("gemini", "gemini-2.0-flash")
    assert "its provider ends it on 2026-06-01, its successor is gemini-3.5-flash" in hint


def test_no_near_name_is_of_a_model_that_ended() -> None:
    assert names_near("openai", "gpt-5-min", today=date(2026, 12, 10))[0] == "gpt-5-mini"
    assert "gpt-5-mini" not in names_near("openai", "gpt-5-min", today=date(2026, 12, 11))
