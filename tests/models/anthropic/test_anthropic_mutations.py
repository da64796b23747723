"""Thousands of damaged answers: each is read, or is one of our errors, never a traceback."""

import asyncio
import copy
import json
import random
from contextlib import suppress
from typing import Any

import pytest

from emonk.errors import EmonkError
from emonk.messages import tool_result, user
from emonk.models.anthropic.answer import Asked, response_of
from emonk.models.anthropic.errors import read_failure
from emonk.models.anthropic.model import AnthropicModel
from emonk.models.anthropic.request import RequestWriter
from emonk.models.anthropic.stream import StreamedAnswer
from emonk.models.anthropic.wire import read_object
from emonk.models.fields import as_list, as_object
from emonk.models.protocol import ModelRequest, ModelResponse
from emonk.models.sse import EventParser
from emonk.testing.answers import Chunks, Raw
from emonk.testing.anthropic import AnthropicServer
from emonk.testing.anthropic_answers import calls, error, event_bytes, events_of, message, says, text, thought
from emonk.testing.anthropic_rules import check

ASKING = ModelRequest([user("hi")])
MODEL = "claude-sonnet-4-5"
STRANGE: tuple[Any, ...] = (
    None, True, False, 0, -1, 2**70, 1.5, 1e308, "", "x", "12", "\u2028", [], {}, [[]], [None], {"": None}, "é" * 300
)  # fmt: skip
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


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value inside a JSON value."""
    keys: list[Any] = [*as_object(value), *range(len(as_list(value)))]
    inner = [place for key in keys for place in places(value[key], (*path, key))]
    return [*((*path, key) for key in keys), *inner]


def alter(random_source: random.Random, answer: Any) -> Any:
    """An answer with one to three fields dropped, emptied or of the wrong type."""
    answer = copy.deepcopy(answer)
    for _ in range(random_source.randint(1, 3)):
        found = places(answer)
        if not found:
            break
        *way, last = random_source.choice(found)
        holder = answer
        for key in way:
            holder = holder[key]
        if random_source.random() < 0.3:
            del holder[last]
        else:
            holder[last] = copy.deepcopy(random_source.choice(STRANGE))
    return answer


def cut(random_source: random.Random, whole: bytes) -> bytes:
    """Perhaps cut off, or with a changed byte."""
    raw = bytearray(whole)
    fate = random_source.random()
    if fate < 0.1:
        del raw[random_source.randrange(len(raw)) :]
    elif fate < 0.2 and raw:
        raw[random_source.randrange(len(raw))] = random_source.randrange(256)
    return bytes(raw)


def damaged_body(random_source: random.Random) -> bytes:
    return cut(random_source, json.dumps(alter(random_source, random_source.choice(ANSWERS))).encode())


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
    usage = response.usage
    assert min(usage.output_tokens, usage.cached_input_tokens, usage.cache_write_tokens) >= 0
    assert usage.input_tokens >= usage.cached_input_tokens + usage.cache_write_tokens
    assert usage.output_tokens >= usage.reasoning_tokens >= 0
    assert all(call.name and call.id for call in response.tool_calls)
    results = [tool_result(call, "done") for call in response.tool_calls]
    history = [user("hi"), response.message, *results, user("go on")]
    check(json.loads(RequestWriter(MODEL).write(ModelRequest(history, reasoning_effort="low"))), betas=())


@pytest.mark.parametrize("seed", range(6))
def test_a_thousand_damaged_bodies(seed: int) -> None:
    random_source = random.Random(seed)
    read = 0
    for _ in range(1000):
        try:
            response = response_of(read_object(damaged_body(random_source), model=MODEL), Asked(MODEL))
        except EmonkError:
            continue
        sane(response)
        read += 1
    assert read > 300


@pytest.mark.parametrize("seed", range(4))
def test_a_thousand_damaged_streams(seed: int) -> None:
    random_source = random.Random(100 + seed)
    read = 0
    for _ in range(1000):
        answer = StreamedAnswer(Asked(MODEL))
        try:
            for event in EventParser().feed(damaged_stream(random_source)):
                list(answer.add(read_object(event.data, model=MODEL)))
        except EmonkError:
            continue
        sane(answer.response())
        read += 1
    assert read > 300


@pytest.mark.parametrize("status", [200, 400, 401, 429, 529])
def test_damaged_errors_keep_the_class_of_their_status(status: int) -> None:
    random_source = random.Random(status)
    for _ in range(300):
        raw = cut(random_source, json.dumps(alter(random_source, ANSWERS[-1])).encode())
        failure = read_failure(status, {}, raw, model=MODEL)
        assert isinstance(failure, EmonkError)
        assert str(failure)


def test_damaged_bodies_and_streams_over_http() -> None:
    random_source = random.Random(99)
    script: list[Raw | Chunks] = []
    for _ in range(150):
        script += [Raw(damaged_body(random_source)), Chunks([damaged_stream(random_source)])]

    async def main() -> None:
        async with AnthropicServer(script) as server:
            model = AnthropicModel(MODEL, api_key="k", base_url=server.base_url)
            for _ in range(150):
                with suppress(EmonkError):
                    sane(await model.generate(ASKING))
                with suppress(EmonkError):
                    *_, whole = [piece async for piece in model.stream(ASKING)]
                    assert isinstance(whole, ModelResponse)
                    sane(whole)
            await model.aclose()
        assert len(server.requests) == len(script)

    asyncio.run(main())
