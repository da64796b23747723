"""Whatever a user writes, the planner answers, and what it calls passes the tool's own checks."""

import asyncio
import datetime as dt
import enum
import subprocess
import sys
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emonk.clock import SYSTEM_CLOCK
from emonk.messages import Message, user
from emonk.models import ModelRequest, ModelResponse
from emonk.models.offline import OfflineModel
from emonk.skills.function import Tool, tool
from emonk.skills.protocol import Context


class Level(enum.Enum):
    LOW = "low"
    VERY_HIGH = "very high"


@tool(triggers=("ship {count} of {item} to {place}", "ship {item}", "ship it"))
def ship(item: str, count: Annotated[int, msgspec.Meta(ge=1, le=99)] = 1, place: str = "") -> None:
    """Ship an item to a place."""


@tool(triggers=("set the alarm for {day} to {level}", "alarm {level}"))
def set_alarm(level: Level, day: dt.date | None = None, at: dt.datetime | None = None, loud: bool = False) -> None:
    """Set the alarm level of a day."""


@tool(triggers=("compare {left}..{right}", "compare {left} with {right}"))
def compare(left: Annotated[str, msgspec.Meta(pattern=r"^\S+$")], right: str = "HEAD", depth: float = 1) -> None:
    """Compare two revisions."""


@tool(triggers=("tag {path} with {tags}",))
def tag_file(path: str, tags: list[Literal["red", "blue"]], sizes: list[int] | None = None) -> None:
    """Tag a file with colours."""


@tool
def wait_for(seconds: Annotated[float, msgspec.Meta(gt=0)], then: dict[str, int] | None = None) -> None:
    """Wait some seconds."""


TOOLS: tuple[Tool[..., Any], ...] = (ship, set_alarm, compare, tag_file, wait_for)
CONTEXT = Context(
    agent="a",
    session_id="s",
    user_id="u",
    call_id="c",
    trace_id="t",
    clock=SYSTEM_CLOCK,
    deadline=None,
    progress=lambda _text: None,
)

_FRAGMENTS = r"""
ship set the alarm for to very high low compare with tag red, blue and .. a..b HEAD : = item= level: count=3 3 three 0
100 2024-02-30 2024-02-29 day=2024-01-01 at=soon path src/x.py " ' ` wait seconds 1.5 -1 loud no please ? depth=x
tags=red,blue {} [1] é 日本 https://x.y
"""
_fragments = st.sampled_from([*_FRAGMENTS.split(), "\n", "\0", "\u201c"])
_texts = st.lists(_fragments, max_size=12).map(" ".join) | st.text(max_size=200)
_model = OfflineModel()


def plan(text: str) -> ModelResponse:
    return asyncio.run(_model.generate(ModelRequest([user(text)], tools=TOOLS)))


@settings(deadline=None, max_examples=400)
@given(_texts)
def test_any_text_gets_an_answer_whose_calls_are_valid(text: str) -> None:
    response = plan(text)
    assert response.text or response.tool_calls
    by_name = {one.name: one for one in TOOLS}
    for call in response.tool_calls:
        asyncio.run(by_name[call.name].run(call.arguments, CONTEXT))


@settings(deadline=None)
@given(st.lists(_texts, min_size=2, max_size=4))
def test_any_conversation_gets_answers_whose_calls_are_valid(texts: list[str]) -> None:
    messages: list[Message] = []
    by_name = {one.name: one for one in TOOLS}
    for text in texts:
        response = asyncio.run(_model.generate(ModelRequest([*messages, user(text)], tools=TOOLS)))
        messages += [user(text), response.message]
        for call in response.tool_calls:
            asyncio.run(by_name[call.name].run(call.arguments, CONTEXT))


@settings(deadline=None)
@given(_texts)
def test_the_same_text_gets_the_same_plan(text: str) -> None:
    one, other = plan(text), plan(text)
    assert one.text == other.text
    assert [(call.name, call.arguments) for call in one.tool_calls] == [
        (call.name, call.arguments) for call in other.tool_calls
    ]


_letters = st.text("bcdfghjklmnpqrvwxz", min_size=5, max_size=9)


@settings(deadline=None)
@given(st.lists(_letters, min_size=1, max_size=8).map(" ".join))
def test_words_that_nobody_knows_call_nothing(text: str) -> None:
    assert not plan(text).tool_calls


@settings(deadline=None)
@given(st.integers(1, 99), _letters)
def test_placeholders_give_their_values(count: int, item: str) -> None:
    (call,) = plan(f"please ship {count} of the {item} to Rome").tool_calls
    assert call.arguments == {"count": count, "item": f"the {item}", "place": "Rome"}


_LONG = [
    "ship " * 20_000,
    "ship a of b to " * 5_000,
    "compare " + "a.." * 30_000,
    "x" * 300_000,
    "item=" * 30_000,
    '"' * 30_000,
    "a/" * 50_000,
    "please " * 30_000,
]


@pytest.mark.parametrize("text", _LONG, ids=lambda text: text[:8].strip())
def test_long_texts_get_an_answer(text: str) -> None:
    """Backtracking would take minutes here."""
    response = plan(text)
    assert response.text or response.tool_calls


def test_the_planner_needs_nothing_heavy() -> None:
    code = "import sys, emonk.models.offline; print({'yaml', 'aiohttp', 'docstring_parser'} & {*sys.modules})"
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ran.stdout.strip() == "set()"
