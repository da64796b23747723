"""Thousands of damaged answers: each is read, or is one of our errors, never a traceback."""

import json
import random
from functools import partial
from typing import Any

import pytest

from emonk.models.openai.chat_answer import ChatAnswer
from emonk.models.openai.endpoint import endpoint_of
from emonk.models.openai.errors import read_failure
from emonk.models.openai.model import OpenAIModel
from emonk.models.openai.responses_answer import ResponsesAnswer
from emonk.models.protocol import Model, ModelRequest, ModelResponse
from emonk.models.sse import EventParser
from emonk.testing.answers import Chunks, Raw
from emonk.testing.openai import OpenAIServer
from emonk.testing.openai_answers import (
    call,
    chunk,
    delta,
    fails,
    item,
    item_call,
    item_reasoning,
    message,
    response,
)
from emonk.testing.openai_streams import completion_events, response_events
from tests.models.asking import over_http
from tests.models.damage import ask_both_ways, check_failures, damage, history_after, readable
from tests.models.openai.requests import allowed

REASONED = {"reasoning": "hm", "reasoning_details": [{"type": "reasoning.text", "text": "hm", "index": 0}]}
CHAT: tuple[Any, ...] = (
    message("It rains in Paris."),
    message(None, call("get_weather", {"city": "Paris", "days": [1, 2]}), call("f", call_id="call_2"), **REASONED),
    message("Here.", reasoning_content="hm", images=[{"image_url": {"url": "data:image/png;base64,AAECAw=="}}]),
    message(None, refusal="I cannot help with that."),
    message([{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "Yes."}]),  # type: ignore[arg-type]
    json.loads(fails(429, "slow down", code="rate_limit_exceeded").body),
)
RESPONSES: tuple[Any, ...] = (
    response(item("It rains.", phase="final_answer")),
    response(item_reasoning("hm"), item_call("f", {"a": 1}), item_reasoning(""), item("Rain.", item_id="msg_2")),
    response(item("cut"), status="incomplete", reason="max_output_tokens"),
    response({"type": "message", "content": [{"type": "refusal", "refusal": "No."}]}, {"type": "web_search_call"}),
    response(status="failed") | {"error": {"code": "server_error", "message": "sorry"}},
)
Answer = ChatAnswer | ResponsesAnswer


def begin(api: str) -> Answer:
    return (ChatAnswer if api == "chat" else ResponsesAnswer)("m", "openai", {})


def bodies(api: str) -> tuple[Any, ...]:
    return CHAT if api == "chat" else RESPONSES


def sane(response: ModelResponse, api: Any) -> None:
    """The whole of a response can be used: counted, logged and sent back."""
    history = ModelRequest(history_after(response))
    for base_url in ("https://api.openai.com/v1", "https://example.com/v1"):
        allowed(history, endpoint_of("o3", base_url, api))


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize("seed", range(5))
def test_a_thousand_damaged_bodies(api: str, seed: int) -> None:
    random_source = random.Random(seed)

    def read() -> ModelResponse:
        answer = begin(api)
        answer.whole(damage(random_source, random_source.choice(bodies(api))))
        return answer.response()

    assert readable(1000, read, partial(sane, api=api)) > 300


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize("seed", range(5))
def test_streams_with_damaged_events(api: str, seed: int) -> None:
    random_source = random.Random(seed)

    def read() -> ModelResponse:
        whole = random_source.choice(bodies(api)[:4])
        wire = completion_events(whole, usage=True) if api == "chat" else response_events(whole)
        events = [event for piece in wire for event in EventParser().feed(piece)]
        at = random_source.randrange(len(events))
        answer = begin(api)
        for number, event in enumerate(events):
            data = event.data
            if number == at and data != b"[DONE]":
                data = damage(random_source, json.loads(data))
            list(answer.add(data, event.event))
        return answer.response()

    assert readable(300, read, partial(sane, api=api)) > 100


@pytest.mark.parametrize("status", [200, 400, 403, 429, 503])
def test_damaged_errors_are_errors(status: int) -> None:
    check_failures(partial(read_failure, model="m"), CHAT[-1], status, times=300)


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_damaged_bodies_and_streams_over_http(api: Any) -> None:
    random_source = random.Random(99)
    answers = [damage(random_source, random_source.choice(bodies(api))) for _ in range(200)]
    pieces = [chunk(delta(content="a")), chunk(delta(tool_calls=[{"index": 0, "id": "i", "function": {"name": "f"}}]))]
    streams = [Chunks([b"data: " + damage(random_source, each) + b"\n\n" for each in pieces]) for _ in answers]
    script = [answer for raw, wire in zip(answers, streams, strict=True) for answer in (Raw(raw), wire)]

    async def work(model: Model) -> None:
        await ask_both_ways(model, len(answers), partial(sane, api=api))

    over_http(OpenAIServer(script), lambda url: OpenAIModel("m", base_url=url, api=api), work, answers=len(script))
