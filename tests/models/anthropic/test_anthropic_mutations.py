"""Thousands of damaged answers: each is read, or is one of our errors, never a traceback."""

import copy
import json
import random
from functools import partial
from typing import Any

import pytest

from emonk.models.anthropic.answer import Asked, response_of
from emonk.models.anthropic.errors import read_failure
from emonk.models.anthropic.model import AnthropicModel
from emonk.models.anthropic.request import RequestWriter
from emonk.models.anthropic.stream import StreamedAnswer
from emonk.models.anthropic.wire import read_object
from emonk.models.fields import as_object
from emonk.models.protocol import Model, ModelRequest, ModelResponse
from emonk.models.sse import EventParser
from emonk.testing.answers import Chunks, Raw
from emonk.testing.anthropic import AnthropicServer
from emonk.testing.anthropic_answers import calls, error, event_bytes, events_of, message, says, text, thought
from emonk.testing.anthropic_rules import check
from tests.models.asking import over_http
from tests.models.damage import alter, ask_both_ways, check_failures, cut, damage, history_after, readable

MODEL = "claude-sonnet-4-5"
SEARCH = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}}
USAGE = {
    "input_tokens": 3, "cache_read_input_tokens": 2, "cache_creation_input_tokens": 1, "output_tokens": 9,
    "output_tokens_details": {"thinking_tokens": 4}, "cache_creation": {"ephemeral_5m_input_tokens": 1},
}  # fmt: skip
ANSWERS: tuple[Any, ...] = (
    says("It rains in Paris."),
    message(text("Looking."), calls("get_weather", {"city": "Paris", "days": [1, 2]}), calls("f"), usage=USAGE),
    message(
        thought("hm"),
        {"type": "redacted_thinking", "data": "AAEC"},
        SEARCH,
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
        text("so"),
        calls("get_weather", {"city": "Rome"}),
    ),
    message(stop_reason="refusal"),
    error(529, "Overloaded"),
)


def damaged_body(random_source: random.Random) -> bytes:
    return damage(random_source, random_source.choice(ANSWERS))


def damaged_stream(random_source: random.Random) -> bytes:
    """The events of an answer, of which some are damaged, lost, doubled or out of order."""
    events: list[Any] = list(events_of(random_source.choice(ANSWERS[:-1])))
    for _ in range(random_source.randint(1, 3)):
        at = random_source.randrange(len(events))
        match random_source.randrange(4):
            case 0:
                events[at] = as_object(alter(random_source, events[at]))
            case 1 if len(events) > 1:
                del events[at]
            case 2:
                events.insert(at, copy.deepcopy(random_source.choice([*events, ANSWERS[-1]])))
            case _:
                other = random_source.randrange(len(events))
                events[at], events[other] = events[other], events[at]
    return cut(random_source, b"".join(map(event_bytes, events)))


def sane(response: ModelResponse) -> None:
    """The whole of a response can be used: counted, logged and sent back."""
    request = ModelRequest(history_after(response), reasoning_effort="low")
    check(json.loads(RequestWriter(MODEL).write(request)), betas=())


@pytest.mark.parametrize("seed", range(6))
def test_a_thousand_damaged_bodies(seed: int) -> None:
    random_source = random.Random(seed)

    def read() -> ModelResponse:
        return response_of(read_object(damaged_body(random_source), model=MODEL), Asked(MODEL))

    assert readable(1000, read, sane) > 300


@pytest.mark.parametrize("seed", range(4))
def test_a_thousand_damaged_streams(seed: int) -> None:
    random_source = random.Random(100 + seed)

    def read() -> ModelResponse:
        answer = StreamedAnswer(Asked(MODEL))
        for event in EventParser().feed(damaged_stream(random_source)):
            list(answer.add(read_object(event.data, model=MODEL)))
        return answer.response()

    assert readable(1000, read, sane) > 300


@pytest.mark.parametrize("status", [200, 400, 401, 429, 529])
def test_damaged_errors_are_errors(status: int) -> None:
    check_failures(partial(read_failure, model=MODEL), ANSWERS[-1], status, times=300)


def test_damaged_bodies_and_streams_over_http() -> None:
    random_source = random.Random(99)
    script: list[Raw | Chunks] = []
    for _ in range(150):
        script += [Raw(damaged_body(random_source)), Chunks([damaged_stream(random_source)])]

    async def work(model: Model) -> None:
        await ask_both_ways(model, 150, sane)

    server = AnthropicServer(script)
    over_http(server, lambda url: AnthropicModel(MODEL, api_key="k", base_url=url), work, answers=len(script))
