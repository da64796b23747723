"""Thousands of damaged answers: each is read, or is one of our errors, never a traceback."""

import json
import random
from functools import partial
from typing import Any

import pytest

from emonk.models.gemini.answer import Answer
from emonk.models.gemini.errors import read_failure
from emonk.models.gemini.model import GeminiModel
from emonk.models.gemini.request import RequestWriter
from emonk.models.gemini.wire import read_body
from emonk.models.protocol import Model, ModelRequest, ModelResponse
from emonk.testing.answers import Chunks, Raw
from emonk.testing.gemini import GeminiServer
from emonk.testing.gemini_answers import body, calls, quota_exhausted, says
from emonk.testing.gemini_rules import check
from tests.models.asking import over_http
from tests.models.damage import ask_both_ways, check_failures, damage, history_after, readable

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


def sane(response: ModelResponse) -> None:
    """The whole of a response can be used: counted, logged and sent back."""
    check(json.loads(RequestWriter().write(ModelRequest(history_after(response)))))


@pytest.mark.parametrize("seed", range(10))
def test_a_thousand_damaged_bodies(seed: int) -> None:
    random_source = random.Random(seed)

    def read() -> ModelResponse:
        answer = Answer("m")
        answer.add(read_body(damage(random_source, random_source.choice(ANSWERS))))
        return answer.response()

    assert readable(1000, read, sane) > 300


@pytest.mark.parametrize("status", [200, 400, 403, 429, 503])
def test_damaged_errors_are_errors(status: int) -> None:
    check_failures(partial(read_failure, model="m"), ANSWERS[-1], status, times=500)


def test_damaged_bodies_and_streams_over_http() -> None:
    random_source = random.Random(99)
    answers = [damage(random_source, random_source.choice(ANSWERS)) for _ in range(300)]
    script = [answer for raw in answers for answer in (Raw(raw), Chunks([b"data: " + raw + b"\r\n\r\n"]))]

    async def work(model: Model) -> None:
        await ask_both_ways(model, len(answers), sane)

    over_http(GeminiServer(script), lambda url: GeminiModel("m", api_key="k", base_url=url), work, answers=len(script))
