"""The planner's own questions can be answered, from nothing but the messages of the session."""

import asyncio
from typing import Any, Literal

import pytest

from emonk.messages import Message, assistant, user
from emonk.models import ModelRequest, ModelResponse
from emonk.models.offline import OfflineModel
from emonk.skills.function import tool


@tool(triggers=("write a post for {platform} about {topic}", "write a {platform} post"))
def write_post(platform: Literal["x", "linkedin"], topic: str) -> None:
    """Write a post."""


@tool(triggers=("count to {number}",))
def count(number: int) -> None:
    """Count."""


TOOLS = (write_post, count)


def ask(messages: list[Message]) -> ModelResponse:
    return asyncio.run(OfflineModel().generate(ModelRequest(messages, tools=TOOLS)))


def talk(*texts: str) -> tuple[str, dict[str, Any]] | str:
    """The last answer of a conversation: a call, or what was said."""
    messages: list[Message] = []
    for text in texts[:-1]:
        response = ask([*messages, user(text)])
        messages += [user(text), response.message]
        if response.tool_calls:
            messages.append(assistant("done"))
    response = ask([*messages, user(texts[-1])])
    calls = response.tool_calls
    return (calls[0].name, calls[0].arguments) if calls else response.text


@pytest.mark.parametrize(
    ("texts", "arguments"),
    [
        (["write a post for X", "spring is here"], {"platform": "x", "topic": "spring is here"}),
        (["write a post for X", "about cats?"], {"platform": "x", "topic": "cats"}),
        (["write a post for X", "The new office"], {"platform": "x", "topic": "The new office"}),
        (["hello", "write a post for X", "spring"], {"platform": "x", "topic": "spring"}),
        (["write a post about spring", "LinkedIn, please"], {"platform": "linkedin", "topic": "spring"}),
        (["write a post about spring", "facebook", "linkedin"], {"platform": "linkedin", "topic": "spring"}),
        (["write a post", "linkedin", "The new office"], {"platform": "linkedin", "topic": "The new office"}),
        (["write a post", "about cats for linkedin"], {"platform": "linkedin", "topic": "cats"}),
        (["write a post", "topic: cats", "x"], {"platform": "x", "topic": "cats"}),
    ],
)
def test_an_answer_becomes_the_missing_argument(texts: list[str], arguments: dict[str, str]) -> None:
    assert talk(*texts) == ("write_post", arguments)


def test_an_answer_that_does_not_fit_is_asked_for_again() -> None:
    said = talk("count to", "many")
    assert isinstance(said, str)
    assert "`number`" in said
    assert talk("count to", "many", "12") == ("count", {"number": 12})


@pytest.mark.parametrize("text", ["help", "cancel", "never mind", "thanks", "what can you do?"])
def test_a_question_may_be_left_unanswered(text: str) -> None:
    said = talk("write a post for X", text)
    assert isinstance(said, str)
    assert "I only match your words" in said


def test_a_whole_request_is_no_answer() -> None:
    assert talk("write a post for X", "count to 3") == ("count", {"number": 3})


def test_only_its_own_question_counts() -> None:
    """What another model, or nobody, asked is no question of the planner."""
    for asked in ("Which topic?", ""):
        response = ask([user("write a post for X"), assistant(asked), user("spring is here")])
        assert not response.tool_calls
    assert not ask([user("spring is here")]).tool_calls


def test_an_answered_question_is_over() -> None:
    said = talk("write a post for X", "spring", "summer")
    assert isinstance(said, str)
    assert "I only match your words" in said
