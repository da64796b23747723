"""The Gemini adapter over real HTTP, on answers of our own writing."""

import asyncio
import json
import traceback
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from emonk.errors import EmonkError, InvalidConfig, MissingCredential, QuotaExhausted, RateLimited, Unavailable
from emonk.messages import AssistantMessage, Text, Thinking, ToolCall, assistant, tool_result, user
from emonk.models import create
from emonk.models.gemini.answer import OUTCOMES
from emonk.models.gemini.model import BASE_URL, GeminiModel
from emonk.models.outcome import outcome_of
from emonk.models.protocol import (
    ModelRequest,
    ModelResponse,
    Outcome,
    TextDelta,
    ThinkingDelta,
    ToolCallDelta,
    ToolSchema,
)
from emonk.records import Usage
from emonk.testing.answers import Answer, Chunks, Drop, Raw
from emonk.testing.gemini import GeminiServer
from emonk.testing.gemini_answers import body, calls, fails, quota_exhausted, rate_limited, says, stream

ASKING = ModelRequest([user("Weather in Paris?")])
WEATHER = ToolSchema(
    "get_weather", "Tells the weather.", {"type": "object", "properties": {"city": {"type": "string"}}}
)


@asynccontextmanager
async def model_of(*script: Answer) -> AsyncGenerator[tuple[GeminiModel, GeminiServer]]:
    async with GeminiServer(script) as server:
        model = GeminiModel("gemini-2.0-flash", api_key="test-key", base_url=server.base_url)
        try:
            yield model, server
        finally:
            await model.aclose()


def generated(answer: Answer) -> ModelResponse:
    async def main() -> ModelResponse:
        async with model_of(answer) as (model, _):
            return await model.generate(ASKING)

    return asyncio.run(main())


def streamed(answer: Answer) -> list[Any]:
    async def main() -> list[Any]:
        async with model_of(answer) as (model, _):
            return [piece async for piece in model.stream(ASKING)]

    return asyncio.run(main())


def test_a_turn_with_a_tool_call_and_its_signature() -> None:
    async def main() -> None:
        script = [body(calls("get_weather", {"city": "Paris"}, signature="c2ln")), says("It rains.")]
        async with model_of(*script) as (model, server):
            first = await model.generate(ModelRequest([user("Weather?")], tools=(WEATHER,)))
            assert (first.outcome, first.finish_reason) == (Outcome.TOOL_CALLS, "STOP")
            (call,) = first.tool_calls
            assert (call.name, call.arguments) == ("get_weather", {"city": "Paris"})
            history = [user("Weather?"), first.message, tool_result(call, "rain")]
            second = await model.generate(ModelRequest(history, tools=(WEATHER,)))
            assert (second.text, second.outcome) == ("It rains.", Outcome.COMPLETE)
        assert server.refused == []
        sent = server.requests[1].body["contents"][1]["parts"][0]
        assert sent == {"functionCall": {"name": "get_weather", "args": {"city": "Paris"}}, "thoughtSignature": "c2ln"}

    asyncio.run(main())


def test_what_a_response_tells() -> None:
    usage = {"promptTokenCount": 9, "candidatesTokenCount": 2, "thoughtsTokenCount": 5, "cachedContentTokenCount": 4}
    response = generated(body({"text": "hm", "thought": True}, {"text": "Rain."}, usage=usage))
    assert response.message == AssistantMessage((Thinking("hm"), Text("Rain.")), "gemini")
    assert response.usage == Usage(9, 7, cached_input_tokens=4, reasoning_tokens=5)
    assert (response.model, response.response_id) == ("stand-in", "r1")


@pytest.mark.parametrize("size", [None, 1, 10])
def test_a_stream_gives_deltas_and_then_the_whole(size: int | None) -> None:
    usage = {"promptTokenCount": 3, "candidatesTokenCount": 4}
    *deltas, whole = streamed(
        stream(
            [
                body({"text": "let me ", "thought": True}, finish_reason=None),
                body({"text": "see", "thought": True}, {"text": "It rä"}, finish_reason=None),
                says("ins.", finish_reason=None, usage={"promptTokenCount": 3, "candidatesTokenCount": 100}),
                body(calls("f", {"a": 1}, signature="c2ln"), finish_reason=None, usage={}),
                body({"text": "", "thoughtSignature": "ZW5k"}, usage=usage),
            ],
            size=size,
        )
    )
    assert isinstance(whole, ModelResponse)
    thinking, text, call, end = whole.message.parts
    assert isinstance(call, ToolCall)
    said = [ThinkingDelta("let me "), ThinkingDelta("see"), TextDelta("It rä"), TextDelta("ins.")]
    assert deltas == [*said, ToolCallDelta(0, '{"a":1}', "f", call.id)]
    assert (thinking, text, end) == (Thinking("let me see"), Text("It räins."), Text("", "ZW5k"))
    assert (call.arguments, call.signature) == ({"a": 1}, "c2ln")
    assert (whole.outcome, whole.finish_reason) == (Outcome.TOOL_CALLS, "STOP")
    assert whole.usage == Usage(3, 4)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (stream([says("half", finish_reason=None)]), "interrupted"),
        (stream([says("half", finish_reason=None)], drop=True), "interrupted"),
        (Chunks([]), "interrupted"),
        (Chunks([b'data: {"candidates": [']), "interrupted"),
        (Chunks([b"data: {\n\n"]), "malformed_body"),
        (Raw(b"{}"), "malformed_body"),
        (Drop(), "disconnected"),
    ],
)
def test_a_stream_that_ends_before_its_answer(answer: Answer, code: str) -> None:
    with pytest.raises(Unavailable) as caught:
        streamed(answer)
    assert caught.value.code == code


def test_words_heard_before_a_stream_broke_off_are_given() -> None:
    async def main() -> None:
        async with model_of(stream([says("half", finish_reason=None)], drop=True)) as (model, _):
            pieces = model.stream(ASKING)
            assert await anext(pieces) == TextDelta("half")
            with pytest.raises(Unavailable, match="broke off"):
                await anext(pieces)

    asyncio.run(main())


def test_a_stream_that_is_left_early_closes_its_connection() -> None:
    async def main() -> None:
        async with model_of(stream([says("one", finish_reason=None)] * 50), says("next")) as (model, _):
            pieces = model.stream(ASKING)
            assert await anext(pieces) == TextDelta("one")
            await pieces.aclose()
            assert (await model.generate(ASKING)).text == "next"

    asyncio.run(main())


ERRORS: list[tuple[Answer, type[EmonkError], str]] = [
    (rate_limited(3), RateLimited, "rate_limited"),
    (quota_exhausted(), QuotaExhausted, "quota_exhausted"),
    (fails(400, "API key not valid."), MissingCredential, "missing_credential"),
    (fails(403, "Permission denied."), MissingCredential, "missing_credential"),
    (fails(404, "models/x is not found"), InvalidConfig, "invalid_config"),
    (fails(400, "The input token count (9) exceeds the maximum number of tokens allowed (8)."), InvalidConfig,
     "context_overflow"),
    (fails(500, "Internal"), Unavailable, "unavailable"),
    (fails(503, "Overloaded"), Unavailable, "unavailable"),
    (Raw(b"<html>Bad gateway</html>", 502, "text/html"), Unavailable, "unavailable"),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "kind", "code"), ERRORS)
@pytest.mark.parametrize("ask", [generated, streamed])
def test_errors_are_classified_the_same_for_both_calls(
    answer: Answer, kind: type[EmonkError], code: str, ask: Any
) -> None:
    with pytest.raises(EmonkError) as caught:
        ask(answer)
    assert (type(caught.value), caught.value.code) == (kind, code)
    assert "gemini-2.0-flash" in caught.value.message


@pytest.mark.parametrize("raw", [b"<html>", b"", b"[]", b'{"candidates": {}}'])
def test_a_200_that_is_no_answer_is_the_provider_s_fault(raw: bytes) -> None:
    with pytest.raises(Unavailable) as caught:
        generated(Raw(raw))
    assert caught.value.code == "malformed_body"


def test_an_error_inside_an_answer_is_that_error() -> None:
    error = {"error": {"code": 429, "message": "slow down", "details": [{"retryDelay": "2s"}]}}
    with pytest.raises(RateLimited, match="slow down") as caught:
        streamed(stream([says("half", finish_reason=None), error]))
    assert caught.value.retry_after == 2.0
    with pytest.raises(Unavailable):
        generated({"error": "broken"})
    with pytest.raises(RateLimited):
        streamed(Raw(b'[{"error": {"code": 429, "message": "slow down"}}]'))


@pytest.mark.parametrize("status", [200, 401, 404])
@pytest.mark.parametrize("ask", [generated, streamed])
def test_the_key_is_in_no_error_that_gemini_sends_however_it_comes(status: int, ask: Any) -> None:
    error = {"error": {"code": 404, "message": "bad test-key key"}}
    answer = stream([error]) if ask is streamed and status == 200 else Raw(json.dumps(error).encode(), status)
    with pytest.raises(EmonkError, match=r"bad \*\*\* key") as caught:
        ask(answer)
    told = "".join(traceback.format_exception(caught.value)) + repr(caught.value.__dict__) + repr(caught.value.args)
    assert "bad test-key" not in told


@pytest.mark.parametrize(
    ("word", "means"),
    [
        ("STOP", Outcome.COMPLETE),
        ("FINISH_REASON_UNSPECIFIED", Outcome.COMPLETE),
        ("MAX_TOKENS", Outcome.TRUNCATED),
        ("CONTINUATION", Outcome.TRUNCATED),
        ("SAFETY", Outcome.BLOCKED),
        ("RECITATION", Outcome.BLOCKED),
        ("LANGUAGE", Outcome.BLOCKED),
        ("OTHER", Outcome.COMPLETE),
        ("BLOCKLIST", Outcome.BLOCKED),
        ("PROHIBITED_CONTENT", Outcome.BLOCKED),
        ("SPII", Outcome.BLOCKED),
        ("MALFORMED_FUNCTION_CALL", Outcome.MALFORMED),
        ("IMAGE_SAFETY", Outcome.BLOCKED),
        ("IMAGE_PROHIBITED_CONTENT", Outcome.BLOCKED),
        ("IMAGE_OTHER", Outcome.COMPLETE),
        ("NO_IMAGE", Outcome.COMPLETE),
        ("IMAGE_RECITATION", Outcome.BLOCKED),
        ("UNEXPECTED_TOOL_CALL", Outcome.MALFORMED),
        ("TOO_MANY_TOOL_CALLS", Outcome.MALFORMED),
        ("MISSING_THOUGHT_SIGNATURE", Outcome.MALFORMED),
        ("MALFORMED_RESPONSE", Outcome.MALFORMED),
        ("ESCALATION", Outcome.BLOCKED),
        ("PUP_LIMITED_DISABLED", Outcome.BLOCKED),
        ("MODEL_ARMOR", Outcome.BLOCKED),
        ("SOMETHING_NEW", Outcome.COMPLETE),
        ("", Outcome.COMPLETE),
    ],
)
def test_every_finish_reason_has_an_outcome(word: str, means: Outcome) -> None:
    call = ToolCall("i", "f")
    assert outcome_of(assistant("text"), OUTCOMES.get(word)) is means
    assert outcome_of(assistant(), OUTCOMES.get(word)) is (Outcome.EMPTY if means is Outcome.COMPLETE else means)
    called = outcome_of(assistant("text", tool_calls=[call]), OUTCOMES.get(word))
    assert called is (Outcome.BLOCKED if means is Outcome.BLOCKED else Outcome.TOOL_CALLS)


LITTLE: list[tuple[dict[str, Any], str, Outcome]] = [
    ({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}, "PROHIBITED_CONTENT", Outcome.BLOCKED),
    ({"promptFeedback": {"blockReason": "OTHER"}, "candidates": []}, "OTHER", Outcome.BLOCKED),
    ({"promptFeedback": {"blockReason": "OTHER"}, "candidates": None}, "OTHER", Outcome.BLOCKED),
    ({}, "", Outcome.EMPTY),
    ({"candidates": []}, "", Outcome.EMPTY),
    ({"candidates": [None]}, "", Outcome.EMPTY),
    ({"candidates": [{}]}, "", Outcome.EMPTY),
    ({"candidates": [{"finishReason": "MALFORMED_FUNCTION_CALL"}]}, "MALFORMED_FUNCTION_CALL", Outcome.MALFORMED),
    ({"candidates": [{"finishReason": "STOP", "content": {"role": "model"}}]}, "STOP", Outcome.EMPTY),
    ({"candidates": [{"finishReason": "STOP", "content": None}]}, "STOP", Outcome.EMPTY),
    ({"candidates": [{"finishReason": "STOP", "content": {"parts": None}}]}, "STOP", Outcome.EMPTY),
    ({"candidates": [{"finishReason": None, "content": {"parts": [{"text": "a"}]}}]}, "", Outcome.COMPLETE),
    (body({"text": " \n"}), "STOP", Outcome.EMPTY),
    (body({"inlineData": {"mimeType": "image/png", "data": "AAECAw=="}}), "STOP", Outcome.COMPLETE),
    (body({"executableCode": {"code": "1"}}), "STOP", Outcome.EMPTY),
    (body({"text": "cut"}, finish_reason="MAX_TOKENS"), "MAX_TOKENS", Outcome.TRUNCATED),
    (body(calls("", {"x": 1})), "STOP", Outcome.MALFORMED),
    (body(calls("", {"x": 1}), {"text": " "}), "STOP", Outcome.MALFORMED),
    (body(calls("", {"x": 1}), {"text": "hello"}), "STOP", Outcome.COMPLETE),
    (body(calls("", {"x": 1}), calls("f", {})), "STOP", Outcome.TOOL_CALLS),
    (body(calls("", {"x": 1}), finish_reason="SAFETY"), "SAFETY", Outcome.BLOCKED),
    (body({"functionResponse": {"name": "f", "response": {}}}), "STOP", Outcome.MALFORMED),
    (body({"inlineData": {"mimeType": "x/y", "data": "!!"}}), "STOP", Outcome.MALFORMED),
    (body({"somethingNew": 1}), "STOP", Outcome.EMPTY),
]


@pytest.mark.parametrize(("answer", "finish_reason", "means"), LITTLE)
def test_answers_with_little_in_them(answer: dict[str, Any], finish_reason: str, means: Outcome) -> None:
    response = generated(answer)
    assert (response.finish_reason, response.outcome) == (finish_reason, means)


POISON: list[list[Any]] = [
    [{"text": "hello"}, calls("", {"x": 1})],
    [calls("", {"x": 1}), calls("f", {})],
    [{"text": "a", "thoughtSignature": "!!!not base64"}],
    [{"text": "t"}, {"text": "", "thoughtSignature": "!!"}],
    [{"inlineData": {"mimeType": "x/y", "data": "!!"}}, {"text": "t"}],
    [{"executableCode": {"code": "1"}}, {"text": "t"}, {"weird": 1}],
    [{"functionResponse": {"name": "f", "response": {}}}, {"text": "t"}],
]


@pytest.mark.parametrize("parts", POISON)
def test_no_answer_makes_the_next_request_one_that_gemini_refuses(parts: list[Any]) -> None:
    async def main() -> None:
        async with model_of(body(*parts), says("fine")) as (model, server):
            first = await model.generate(ASKING)
            results = [tool_result(call, "done") for call in first.tool_calls]
            history = [*ASKING.messages, first.message, *results, user("and now?")]
            assert (await model.generate(ModelRequest(history))).text == "fine"
        assert server.refused == []

    asyncio.run(main())


def test_a_blocked_prompt_ends_a_stream_properly() -> None:
    (whole,) = streamed(stream([{"promptFeedback": {"blockReason": "OTHER"}}]))
    assert (whole.outcome, whole.finish_reason) == (Outcome.BLOCKED, "OTHER")


def test_the_key_and_the_address_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with GeminiServer([says("hi")], api_key="from-environment") as server:
            monkeypatch.setenv("GEMINI_API_KEY", "from-environment")
            monkeypatch.setenv("EMONK_GEMINI_BASE_URL", server.base_url)
            model = create("gemini:gemini-2.0-flash")
            assert model.spec == "gemini:gemini-2.0-flash"
            assert (await model.generate(ASKING)).text == "hi"
            await model.aclose()

    asyncio.run(main())


def test_no_key_is_one_clear_line_also_for_a_local_address() -> None:
    for base_url in (None, "http://127.0.0.1:1"):
        with pytest.raises(MissingCredential) as caught:
            GeminiModel.from_environment("gemini-2.0-flash", base_url=base_url)
        assert str(caught.value) == "no API key (set GEMINI_API_KEY)"


@pytest.mark.parametrize(
    ("name", "version", "path"),
    [
        ("gemini-2.0-flash", "", "/v1beta/models/gemini-2.0-flash:generateContent"),
        ("models/gemini-2.0-flash", "/", "/v1beta/models/gemini-2.0-flash:generateContent"),
        ("tunedModels/mine", "/v1beta", "/v1beta/tunedModels/mine:generateContent"),
        ("gemini-2.0-flash", "/proxy/v1", "/proxy/v1/models/gemini-2.0-flash:generateContent"),
        ("a b?c", "", "/v1beta/models/a b?c:generateContent"),
    ],
)
def test_where_a_model_is_asked_for(name: str, version: str, path: str) -> None:
    async def main() -> None:
        async with GeminiServer([says("hi")]) as server:
            model = GeminiModel(name, api_key="k", base_url=server.base_url + version)
            await model.generate(ASKING)
            await model.aclose()
        assert server.requests[0].path == path

    asyncio.run(main())


def test_google_s_own_address_is_the_default() -> None:
    assert BASE_URL == "https://generativelanguage.googleapis.com"
    assert GeminiModel("x", api_key="k").spec == "gemini:x"
