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
from emonk.models.fields import as_list, as_object
from emonk.models.gemini.answer import Answer
from emonk.models.gemini.errors import read_failure
from emonk.models.gemini.model import GeminiModel
from emonk.models.gemini.request import RequestWriter
from emonk.models.gemini.wire import read_body
from emonk.models.protocol import ModelRequest, ModelResponse
from emonk.testing.answers import Chunks, Raw
from emonk.testing.gemini import GeminiServer
from emonk.testing.gemini_answers import body, calls, quota_exhausted, says
from emonk.testing.gemini_rules import check

ASKING = ModelRequest([user("hi")])
STRANGE: tuple[Any, ...] = (
    None, True, False, 0, -1, 2**70, 1.5, 1e308, "", "x", "12", "\u2028", [], {}, [[]], [None], {"": None}, "é" * 300
)  # fmt: skip
SIGNED = {"thoughtSignature": "c2ln"}
ANSWERS: tuple[Any, ...] = (
    says("It rains in Paris."),
    body(calls("get_weather", {"city": "Paris", "days": [1, 2]}, signature="c2ln"), calls("f")),
    body(
        {"text": "hm", "thought": True, **SIGNED},
        {"text": "", **SIGNED},
        {"inlineData": {"mimeType": "image/png", "data": "AAECAw=="}, **SIGNED},
        {"executableCode": {"language": "PYTHON", "code": "1"}},
        usage={"promptTokenCount": 5, "toolUsePromptTokenCount": 2, "thoughtsTokenCount": 3, "totalTokenCount": 10},
    ),
    {"promptFeedback": {"blockReason": "SAFETY", "safetyRatings": []}, "usageMetadata": {"promptTokenCount": 4}},
    json.loads(quota_exhausted().body),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value inside a JSON value."""
    keys: list[Any] = [*as_object(value), *range(len(as_list(value)))]
    inner = [place for key in keys for place in places(value[key], (*path, key))]
    return [*((*path, key) for key in keys), *inner]


def damage(random_source: random.Random, answer: Any) -> bytes:
    """An answer with one to three fields dropped, emptied or of the wrong type, perhaps cut or with a flipped byte."""
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
    raw = bytearray(json.dumps(answer).encode())
    fate = random_source.random()
    if fate < 0.1:
        del raw[random_source.randrange(len(raw)) :]
    elif fate < 0.2 and raw:
        raw[random_source.randrange(len(raw))] = random_source.randrange(256)
    return bytes(raw)


def damaged(seed: int, count: int) -> list[bytes]:
    random_source = random.Random(seed)
    return [damage(random_source, random_source.choice(ANSWERS)) for _ in range(count)]


def sane(response: ModelResponse) -> None:
    """The whole of a response can be used: counted, logged and sent back."""
    usage = response.usage
    counts = (usage.input_tokens, usage.output_tokens, usage.cached_input_tokens, usage.reasoning_tokens)
    assert all(count >= 0 for count in counts)
    assert all(call.name and call.id for call in response.tool_calls)
    results = [tool_result(call, "done") for call in response.tool_calls]
    check(json.loads(RequestWriter().write(ModelRequest([user("hi"), response.message, *results, user("go on")]))))


@pytest.mark.parametrize("seed", range(10))
def test_a_thousand_damaged_bodies(seed: int) -> None:
    read = 0
    for raw in damaged(seed, 1000):
        answer = Answer("m")
        try:
            answer.add(read_body(raw))
        except EmonkError:
            continue
        sane(answer.response())
        read += 1
    assert read > 300


@pytest.mark.parametrize("status", [200, 400, 403, 429, 503])
def test_damaged_errors_keep_the_class_of_their_status(status: int) -> None:
    random_source = random.Random(status)
    for _ in range(500):
        error = read_failure(status, {}, damage(random_source, ANSWERS[-1]), model="m")
        assert isinstance(error, EmonkError)
        assert str(error)


def test_damaged_bodies_and_streams_over_http() -> None:
    answers = damaged(99, 300)
    script = [answer for raw in answers for answer in (Raw(raw), Chunks([b"data: " + raw + b"\r\n\r\n"]))]

    async def main() -> None:
        async with GeminiServer(script) as server:
            model = GeminiModel("m", api_key="k", base_url=server.base_url)
            for _ in answers:
                for ask in (generate, stream):
                    with suppress(EmonkError):
                        sane(await ask(model))
            await model.aclose()
        assert len(server.requests) == len(script)

    asyncio.run(main())


async def generate(model: GeminiModel) -> ModelResponse:
    return await model.generate(ASKING)


async def stream(model: GeminiModel) -> ModelResponse:
    *_, whole = [piece async for piece in model.stream(ASKING)]
    assert isinstance(whole, ModelResponse)
    return whole
