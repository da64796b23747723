"""The OpenAI adapter over real HTTP, on answers of our own writing."""

import asyncio
import traceback
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from aiohttp import web

from emonk.errors import (
    EmonkError,
    InvalidConfig,
    MalformedOutput,
    MissingCredential,
    QuotaExhausted,
    RateLimited,
    Unavailable,
)
from emonk.messages import Foreign, Text, Thinking, ToolCall, tool_result, user
from emonk.models import create, http
from emonk.models.openai.model import OpenAIModel
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
from emonk.testing.loopback import listen
from emonk.testing.openai import OpenAIServer
from emonk.testing.openai_answers import (
    call,
    chunk,
    completion,
    context_overflow,
    delta,
    fails,
    item,
    item_call,
    item_reasoning,
    message,
    quota_exhausted,
    rate_limited,
    response,
    stream,
)

KEY = "test-key"
ASKING = ModelRequest([user("Weather in Paris?")])
WEATHER = ToolSchema(
    "get_weather", "Tells the weather.", {"type": "object", "properties": {"city": {"type": "string"}}}
)


@asynccontextmanager
async def model_of(*script: Answer, api: Any = "chat") -> AsyncGenerator[tuple[OpenAIModel, OpenAIServer]]:
    async with OpenAIServer(script) as server:
        model = OpenAIModel("gpt-test", api_key=KEY, base_url=server.base_url, api=api)
        try:
            yield model, server
        finally:
            await model.aclose()


def generated(answer: Answer, api: Any = "chat", asking: ModelRequest = ASKING) -> ModelResponse:
    async def main() -> ModelResponse:
        async with model_of(answer, api=api) as (model, _):
            return await model.generate(asking)

    return asyncio.run(main())


def streamed(answer: Answer, api: Any = "chat", asking: ModelRequest = ASKING) -> list[Any]:
    async def main() -> list[Any]:
        async with model_of(answer, api=api) as (model, _):
            return [piece async for piece in model.stream(asking)]

    return asyncio.run(main())


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_a_turn_with_two_tool_calls(api: Any) -> None:
    two = [("call_1", "Paris"), ("call_2", "Rome")]
    first = message(None, *[call("get_weather", {"city": city}, call_id=name) for name, city in two])
    said = [item_call("get_weather", {"city": city}, call_id=name, item_id=f"fc_{name}") for name, city in two]
    script = (
        [first, message("Rain.")] if api == "chat" else [response(item_reasoning(), *said), response(item("Rain."))]
    )

    async def main() -> None:
        async with model_of(*script, api=api) as (model, server):
            called = await model.generate(ModelRequest([user("Weather?")], (WEATHER,)))
            assert called.outcome is Outcome.TOOL_CALLS
            assert [each.arguments for each in called.tool_calls] == [{"city": "Paris"}, {"city": "Rome"}]
            results = [tool_result(each, "rain") for each in called.tool_calls]
            answered = await model.generate(ModelRequest([user("Weather?"), called.message, *results], (WEATHER,)))
            assert (answered.text, answered.outcome) == ("Rain.", Outcome.COMPLETE)
            assert server.refused == []
            assert server.requests[0].headers["Authorization"] == f"Bearer {KEY}"

    asyncio.run(main())


def piece(index: int | None, arguments: str = "", name: str = "", call_id: str = "") -> dict[str, Any]:
    """A delta of a call with only what is given."""
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value}
    found: dict[str, Any] = {"function": function}
    if index is not None:
        found["index"] = index
    return found | ({"id": call_id} if call_id else {})


STREAMS: dict[str, tuple[list[dict[str, Any]], list[tuple[str, dict[str, Any]]]]] = {
    "interleaved": (
        [piece(0, "", "f", "a"), piece(1, "", "g", "b"), piece(0, '{"x"'), piece(1, "{}"), piece(0, ":1}")],
        [("f", {"x": 1}), ("g", {})],
    ),
    "id repeated": ([piece(0, '{"x', "f", "a"), piece(0, '":1}', "f", "a")], [("f", {"x": 1})]),
    "no ids": ([piece(0, '{"x":1}', "f"), piece(1, "{}", "g")], [("f", {"x": 1}), ("g", {})]),
    "every index 0": ([piece(0, '{"x":1}', "f", "a"), piece(0, "{}", "f", "b")], [("f", {"x": 1}), ("f", {})]),
    "no index": (
        [piece(None, '{"x"', "f", "a"), piece(None, ":1}"), piece(None, "{}", "g", "b")],
        [("f", {"x": 1}), ("g", {})],
    ),
    "neither": ([piece(None, '{"x":1}', "f"), piece(None, "{}", "g")], [("f", {"x": 1}), ("g", {})]),
    "one id for two": ([piece(0, "{}", "f", "a"), piece(1, "{}", "g", "a")], [("f", {}), ("g", {})]),
    "arguments as an object": (
        [piece(0, "", "f", "a") | {"function": {"name": "f", "arguments": {"x": 1}}}],
        [("f", {"x": 1})],
    ),
}


@pytest.mark.parametrize("kind", STREAMS)
def test_calls_come_together_however_a_server_sends_their_pieces(kind: str) -> None:
    pieces, calls = STREAMS[kind]
    chunks = [chunk(delta(tool_calls=[each])) for each in pieces]
    *deltas, whole = streamed(stream([*chunks, chunk(delta("tool_calls"))], size=7))
    assert [(each.name, each.arguments) for each in whole.tool_calls] == calls
    assert len({each.id for each in whole.tool_calls}) == len(calls)
    assert all(each.id for each in whole.tool_calls)
    for index, (name, _) in enumerate(calls):
        mine = [each for each in deltas if each.index == index]
        assert [each.name for each in mine] == [name, *[""] * (len(mine) - 1)]


def test_a_stream_gives_deltas_and_then_the_whole() -> None:
    chunks = [
        chunk(delta(role="assistant", content="", reasoning_content="hm ")),
        chunk(delta(reasoning_content="so")),
        chunk(delta(content="It rä")),
        chunk(delta(content="ins.", tool_calls=[piece(0, "{}", "f", "c")])),
        chunk(delta("tool_calls")),
        chunk(usage={"prompt_tokens": 3, "completion_tokens": 4}),
    ]
    *deltas, whole = streamed(stream(chunks, size=5))
    said = [ThinkingDelta("hm "), ThinkingDelta("so"), TextDelta("It rä"), TextDelta("ins.")]
    assert deltas == [*said, ToolCallDelta(0, "{}", "f", "c")]
    assert whole.message.parts == (Thinking("hm so", "reasoning_content"), Text("It räins."), ToolCall("c", "f"))
    assert (whole.usage, whole.outcome) == (Usage(3, 4), Outcome.TOOL_CALLS)


def test_a_response_streams_its_thinking_text_and_calls() -> None:
    said = response(item_reasoning("hm so"), item("It rains."), item_call("f", {"a": 1}))
    *deltas, whole = streamed(said, "responses")
    assert "".join(each.text for each in deltas if isinstance(each, ThinkingDelta)) == "hm so"
    assert "".join(each.text for each in deltas if isinstance(each, TextDelta)) == "It rains."
    pieces = [each for each in deltas if isinstance(each, ToolCallDelta)]
    assert ("".join(each.arguments for each in pieces), pieces[0].name) == ('{"a":1}', "f")
    assert [type(part) for part in whole.message.parts] == [Foreign, Thinking, Text, ToolCall]
    assert whole == generated(said, "responses")


@pytest.mark.parametrize(
    ("arguments", "read", "malformed"),
    [
        ("", {}, None),
        ("{}", {}, None),
        (" ", {}, None),
        ('{"a": 1}', {"a": 1}, None),
        ('{"a": ', {}, '{"a": '),
        ("[1]", {}, "[1]"),
        ("null", {}, "null"),
        ('"x"', {}, '"x"'),
    ],
)
@pytest.mark.parametrize("api", ["chat", "responses"])
def test_arguments_are_json_or_kept_as_they_are(api: Any, arguments: str, read: Any, malformed: str | None) -> None:
    said = message(None, call("f", arguments)) if api == "chat" else response(item_call("f", arguments))
    (called,) = generated(said, api).tool_calls
    assert (called.arguments, called.malformed) == (read, malformed)


def test_a_call_that_the_limit_cut_off_is_never_run_as_if_it_were_whole() -> None:
    for arguments in ("", '{"path": "a'):
        cut = completion({"role": "assistant", "tool_calls": [call("f"), call("g", arguments)]}, finish_reason="length")
        first, last = generated(cut).tool_calls
        assert (first.malformed, last.malformed) == (None, arguments)


def named(name: str) -> dict[str, Any]:
    return message(None, call(name))


OUTCOMES: list[tuple[str, dict[str, Any], str, Outcome]] = [
    ("chat", message("Hi."), "stop", Outcome.COMPLETE),
    ("chat", completion({"content": "cut"}, finish_reason="length"), "length", Outcome.TRUNCATED),
    ("chat", completion({"content": "x"}, finish_reason="content_filter"), "content_filter", Outcome.BLOCKED),
    ("chat", message(None, refusal="I cannot."), "stop", Outcome.BLOCKED),
    ("chat", completion({"content": None}), "stop", Outcome.EMPTY),
    ("chat", completion({"content": "Hi."}, finish_reason=None), "", Outcome.COMPLETE),
    ("chat", completion({"content": "x"}, finish_reason="something_new"), "something_new", Outcome.COMPLETE),
    ("chat", named(""), "tool_calls", Outcome.MALFORMED),
    ("chat", {"choices": [], "usage": None}, "", Outcome.EMPTY),
    ("responses", response(item("Hi.")), "completed", Outcome.COMPLETE),
    ("responses", response(item("cut"), status="incomplete", reason="max_output_tokens"), "max_output_tokens",
     Outcome.TRUNCATED),
    ("responses", response(status="incomplete", reason="content_filter"), "content_filter", Outcome.BLOCKED),
    ("responses", response({"type": "message", "content": [{"type": "refusal", "refusal": "No."}]}), "completed",
     Outcome.BLOCKED),
    ("responses", response(item_reasoning("hm")), "completed", Outcome.EMPTY),
    ("responses", response(item_call("f")), "completed", Outcome.TOOL_CALLS),
]  # fmt: skip


@pytest.mark.parametrize(("api", "answer", "finish_reason", "means"), OUTCOMES)
def test_what_answers_mean(api: str, answer: dict[str, Any], finish_reason: str, means: Outcome) -> None:
    read = generated(answer, api)
    assert (read.finish_reason, read.outcome) == (finish_reason, means)


def test_a_refusal_is_what_the_model_said() -> None:
    *deltas, whole = streamed(message(None, refusal="I cannot help."))
    assert whole.text == "I cannot help." == "".join(each.text for each in deltas)
    assert whole.outcome is Outcome.BLOCKED


def test_usage_in_one_definition() -> None:
    def counted(**said: Any) -> Usage:
        return generated(completion({"content": "x"}, usage=said)).usage

    details = {"prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2}}
    reasoned = {"completion_tokens_details": {"reasoning_tokens": 5}}
    assert counted(prompt_tokens=9, completion_tokens=7, **details, **reasoned) == Usage(9, 7, 4, 2, 5)
    assert counted(prompt_tokens=9, completion_tokens=2, total_tokens=16, **reasoned) == Usage(9, 7, 0, 0, 5)
    assert counted(prompt_tokens=9, completion_tokens=2, prompt_cache_hit_tokens=4) == Usage(9, 2, 4)
    assert counted(prompt_tokens=-9, completion_tokens=None, total_tokens="x") == Usage()
    assert generated(completion({"content": "x"}, usage=None)).usage == Usage()


ERRORS: list[tuple[Answer, type[EmonkError], str]] = [
    (rate_limited(3), RateLimited, "rate_limited"),
    (quota_exhausted(), QuotaExhausted, "quota_exhausted"),
    (context_overflow(), InvalidConfig, "context_overflow"),
    (fails(401, "Incorrect API key provided", code="invalid_api_key"), MissingCredential, "missing_credential"),
    (fails(400, "Tool call validation failed", code="tool_use_failed"), MalformedOutput, "malformed_output"),
    (fails(500, "sorry"), Unavailable, "unavailable"),
    (Raw(b"<html><title>Bad gateway</title></html>", 502, "text/html"), Unavailable, "unavailable"),
    (Raw(b"<html><title>Hello</title></html>", 200, "text/html"), Unavailable, "malformed_body"),
    (Raw(b""), Unavailable, "malformed_body"),
    (Raw(b"[]"), Unavailable, "malformed_body"),
    (Raw(b'{"object": "list"}'), Unavailable, "malformed_body"),
    (Raw(b'{"error": {"message": "slow down", "code": 429}}'), RateLimited, "rate_limited"),
    (Drop(), Unavailable, "disconnected"),
]


@pytest.mark.parametrize(("answer", "kind", "code"), ERRORS)
@pytest.mark.parametrize("ask", [generated, streamed])
@pytest.mark.parametrize("api", ["chat", "responses"])
def test_errors_are_classified_the_same_for_both_calls_of_both_apis(
    answer: Answer, kind: type[EmonkError], code: str, ask: Any, api: str
) -> None:
    with pytest.raises(EmonkError) as caught:
        ask(answer, api)
    assert (type(caught.value), caught.value.code) == (kind, code)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (stream([chunk(delta(content="half"))], done=False), "interrupted"),
        (stream([chunk(delta(content="half"))], drop=True, done=False), "interrupted"),
        (Chunks([]), "interrupted"),
        (Chunks([b'data: {"choices": [']), "interrupted"),
        (Chunks([b"data: {\n\n"]), "malformed_body"),
    ],
)
def test_a_stream_that_ends_before_its_answer(answer: Answer, code: str) -> None:
    for api in ("chat", "responses"):
        with pytest.raises(Unavailable) as caught:
            streamed(answer, api)
        assert caught.value.code == code


def test_a_failure_inside_a_stream_is_that_failure() -> None:
    failed = response(status="failed") | {"error": {"code": "rate_limit_exceeded", "message": "slow down"}}
    with pytest.raises(RateLimited, match="slow down"):
        streamed(failed, "responses")
    with pytest.raises(RateLimited, match="slow down"):
        generated(failed, "responses")
    broken = chunk(delta(content="half")) | {"error": {"code": 429, "message": "slow down"}}
    with pytest.raises(RateLimited, match="slow down"):
        streamed(stream([broken]))


def test_a_wrong_name_is_answered_with_the_known_ones() -> None:
    refusal = fails(404, "The model `gpt-4o-minii` does not exist", code="model_not_found")

    async def main() -> None:
        async with OpenAIServer([refusal]) as server:
            model = OpenAIModel("gpt-4o-minii", base_url=server.base_url)
            with pytest.raises(InvalidConfig, match="gpt-4o-mini"):
                await model.generate(ASKING)
            await model.aclose()

    asyncio.run(main())


def test_a_schema_that_is_refused_is_told_with_keyword_and_place() -> None:
    bad = ToolSchema(
        "find", "", {"type": "object", "properties": {"a": {"type": "object", "properties": {"b": {"type": "array"}}}}}
    )
    with pytest.raises(InvalidConfig) as caught:
        generated(message("never"), asking=ModelRequest([user("hi")], (bad,)))
    assert "array schema missing items" in caught.value.message
    assert "function 'find'" in caught.value.hint
    assert "/properties/a/properties/b" in caught.value.hint


def test_tools_are_called_by_their_own_names_whatever_was_sent() -> None:
    tool = ToolSchema("files.read", "Reads.", {"type": "object"})

    async def main() -> None:
        async with OpenAIServer(lambda seen: message(None, call(seen.body["tools"][0]["function"]["name"]))) as server:
            model = OpenAIModel("m", base_url=server.base_url)
            whole = await model.generate(ModelRequest([user("hi")], (tool,)))
            *deltas, last = [each async for each in model.stream(ModelRequest([user("hi")], (tool,)))]
            assert isinstance(last, ModelResponse)
            assert [each.name for each in (*whole.tool_calls, *last.tool_calls, deltas[0])] == ["files.read"] * 3  # type: ignore[union-attr]
            await model.aclose()

    asyncio.run(main())


@pytest.mark.parametrize("ask", [generated, streamed])
def test_the_key_is_in_no_error(ask: Any) -> None:
    with pytest.raises(EmonkError) as caught:
        ask(fails(401, f"Incorrect API key provided: {KEY}", code="invalid_api_key"))
    told = "".join(traceback.format_exception(caught.value)) + repr(caught.value.__dict__) + repr(caught.value.args)
    assert KEY not in told


def test_keys_and_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(MissingCredential, match="OPENAI_API_KEY"):
        create("openai:gpt-4o")
    assert create("openai:llama3", base_url="http://localhost:11434/v1").spec == "openai:llama3"
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:8000/v1")
    assert create("openai-responses:m").spec == "openai-responses:m"
    assert create("openai:m").spec == "openai:m"


def test_no_key_sends_no_header() -> None:
    async def main() -> None:
        async with OpenAIServer([message("Hi.")]) as server:
            model = OpenAIModel("llama3", base_url=server.base_url)
            assert (await model.generate(ASKING)).text == "Hi."
            assert "Authorization" not in server.requests[0].headers
            assert server.requests[0].path == "/v1/chat/completions"
            await model.aclose()

    asyncio.run(main())


def test_a_stream_that_goes_on_after_its_end_is_left() -> None:
    *_, whole = streamed(stream([chunk(delta(content="Hi.")), chunk(delta("stop"))]))
    assert whole.text == "Hi."
    ended = (
        b'data: {"choices": [{"delta": {"content": "x"}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\ndata: {oops\n\n'
    )
    assert streamed(Chunks([ended]))[-1].text == "x"


class Held:
    """A server whose streams say that they are over, and end only when they are let go."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.connections: set[int] = set()

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[OpenAIModel]:
        runner, url = await listen([web.post("/v1/chat/completions", self._handle)])
        model = OpenAIModel("gpt-test", base_url=f"{url}/v1")
        try:
            yield model
        finally:
            self.go.set()
            await model.aclose()
            await runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.connections.add(id(request.transport))
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        for piece in stream([chunk(delta(content="Hi.")), chunk(delta("stop"))]).pieces:
            await answer.write(piece)
        await self.go.wait()
        with suppress(ConnectionError):  # the client may have gone
            await answer.write_eof()
        return answer


def test_a_connection_is_used_again_though_its_end_comes_after_the_answer() -> None:
    held = Held()

    async def main() -> None:
        async with held.running() as model:
            for _ in range(4):
                held.go.clear()
                async for piece in model.stream(ASKING):
                    if isinstance(piece, ModelResponse):
                        assert piece.text == "Hi."
                        held.go.set()
                await asyncio.sleep(0)

    asyncio.run(main())
    assert len(held.connections) == 1


def test_an_answer_does_not_wait_for_a_server_that_never_ends_its_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "LINGER", 0.01)
    held = Held()

    async def main() -> list[Any]:
        async with held.running() as model, asyncio.timeout(10):
            return [piece async for piece in model.stream(ASKING)]

    *_, whole = asyncio.run(main())
    assert whole.text == "Hi."
