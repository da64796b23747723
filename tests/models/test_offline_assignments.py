"""`name=value` in what a user wrote: nothing of it is lost, and free text stays as it was written."""

import asyncio
from typing import Any

import pytest

from emonk.messages import user
from emonk.models import ModelRequest, ModelResponse
from emonk.models.offline import OfflineModel
from emonk.skills.files import FILES_SKILL
from emonk.skills.function import tool
from emonk.skills.memory import MEMORY_SKILL


@tool
def get_weather(city: str, days: int = 1) -> None:
    """Get the weather forecast of a city."""


TOOLS: Any = (*MEMORY_SKILL.tools, *FILES_SKILL.tools, get_weather)


def plan(text: str) -> ModelResponse:
    return asyncio.run(OfflineModel().generate(ModelRequest([user(text)], tools=TOOLS)))


@pytest.mark.parametrize(
    ("text", "name", "arguments"),
    [
        ("remember that the wifi text=guest works", "remember", {"text": "the wifi text=guest works"}),
        ("remember that the wifi days=3 city=x works", "remember", {"text": "the wifi days=3 city=x works"}),
        ("remember that the key: under the mat", "remember", {"text": "the key: under the mat"}),
        ("remember key=boss text=Ann is the boss", "remember", {"key": "boss", "text": "Ann is the boss"}),
        ('remember key="my boss" text="Ann is."', "remember", {"key": "my boss", "text": "Ann is."}),
        ("remember text=Ann is the boss, x=1.", "remember", {"text": "Ann is the boss, x=1."}),
        ("remember key=wifi that it has text=guest set", "remember", {"key": "wifi", "text": "it has text=guest set"}),
        ("write report name=plan text=hello there", "write_report", {"name": "plan", "text": "hello there"}),
        ("write_report name=plan text=hello\nthere", "write_report", {"name": "plan", "text": "hello\nthere"}),
        ("recall key=boss", "recall", {"key": "boss"}),
        ("forget key=my boss", "forget", {"key": "my boss"}),
        ("search memory for query=wifi", "search_memory", {"query": "wifi"}),
        ("get weather days=2 city=New York", "get_weather", {"city": "New York", "days": 2}),
    ],
)
def test_what_was_written_is_what_is_kept(text: str, name: str, arguments: dict[str, Any]) -> None:
    assert [(call.name, call.arguments) for call in plan(text).tool_calls] == [(name, arguments)]


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ('remember text="Ann" that she is the boss', "`text` more than once"),
        ("write report name=plan name=other text=hello", "`name` more than once"),
        ("write report text=hello there name=plan", "“there”"),
        ("get weather city=Rome days=soon", "days"),
    ],
)
def test_what_cannot_be_told_apart_is_asked_for(text: str, asked: str) -> None:
    response = plan(text)
    assert not response.tool_calls
    assert asked in response.text


def test_examples_quote_free_text() -> None:
    assert 'write report name="<name>" text="<text>"' in plan("help").text


def test_an_example_follows_where_one_is_announced_for_a_tool_without_triggers() -> None:
    told = plan("get weather city=Rome days=soon").text
    assert "Say for example:\n\n- get weather city=" in told
