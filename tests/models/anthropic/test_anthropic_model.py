"""The adapter over HTTP: answers, streams, and what goes wrong."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from emonk.errors import InvalidConfig, MissingCredential, QuotaExhausted, RateLimited, Unavailable
from emonk.messages import Foreign, Text, ToolCall, user
from emonk.models import create
from emonk.models.anthropic.model import AnthropicModel
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
from emonk.testing.answers import Answer, Chunks, Raw
from emonk.testing.anthropic import AnthropicServer
from emonk.testing.anthropic_answers import (
    calls,
    error,
    event_bytes,
    events_of,
    fails,
    message,
    overloaded,
    quota_exhausted,
    rate_limited,
    says,
    stream,
    text,
    thought,
)

MODEL = "claude-sonnet-4-5"
ASKING = ModelRequest([user("hi")])
WEATHER = ToolSchema("get_weather", "", {"type": "object", "properties": {}})


@asynccontextmanager
async def asked(
    *script: Answer, name: str = MODEL, **more: Any
) -> AsyncGenerator[tuple[AnthropicModel, AnthropicServer]]:
    async with AnthropicServer(script, **more) as server:
        model = AnthropicModel(name, api_key="key-1", base_url=server.base_url)
        yield model, server
        await model.aclose()


async def streamed(model: AnthropicModel, request: ModelRequest = ASKING) -> list[Any]:
    return [piece async for piece in model.stream(request)]


def test_the_headers_and_the_path_are_those_of_the_api(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with AnthropicServer([says("hi"), says("hi")]) as server:
            monkeypatch.setenv("ANTHROPIC_API_KEY", "key-1")
            for base in (server.base_url, f"{server.base_url}/v1/"):
                monkeypatch.setenv("ANTHROPIC_BASE_URL", base)
                model = create(f"anthropic:{MODEL}")
                assert (await model.generate(ASKING)).text == "hi"
                assert model.spec == f"anthropic:{MODEL}"
                await model.aclose()
        seen = server.requests[0]
        assert (seen.path, seen.model) == ("/v1/messages", MODEL)
        assert (seen.headers["x-api-key"], seen.headers["anthropic-version"]) == ("key-1", "2023-06-01")
        assert "anthropic-beta" not in seen.headers

    asyncio.run(main())


def test_without_a_key_there_is_no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    with pytest.raises(MissingCredential, match="ANTHROPIC_API_KEY"):
        create(f"anthropic:{MODEL}")


@pytest.mark.parametrize("size", [None, 1, 50])
def test_a_stream_brings_thinking_text_and_calls_in_pieces(size: int | None) -> None:
    body = message(thought("hm so"), text("It rains."), calls("get_weather", {"city": "Paris"}), calls("f"))

    async def main() -> None:
        async with asked(stream(body, size=size)) as (model, _):
            *deltas, whole = await streamed(model)
        assert "".join(one.text for one in deltas if isinstance(one, ThinkingDelta)) == "hm so"
        assert "".join(one.text for one in deltas if isinstance(one, TextDelta)) == "It rains."
        pieces = [one for one in deltas if isinstance(one, ToolCallDelta)]
        assert [(one.index, one.name, one.id) for one in pieces if one.name] == [
            (0, "get_weather", "toolu_get_weather"),
            (1, "f", "toolu_f"),
        ]
        assert "".join(one.arguments for one in pieces if one.index == 0) == '{"city":"Paris"}'
        assert "".join(one.arguments for one in pieces if one.index == 1) == "{}"
        assert isinstance(whole, ModelResponse)
        assert whole.outcome is Outcome.TOOL_CALLS
        assert [call.arguments for call in whole.tool_calls] == [{"city": "Paris"}, {}]
        assert whole.usage == Usage(10, 5)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("reason", "outcome"),
    [
        ("end_turn", Outcome.COMPLETE),
        ("stop_sequence", Outcome.COMPLETE),
        ("max_tokens", Outcome.TRUNCATED),
        ("model_context_window_exceeded", Outcome.TRUNCATED),
        ("pause_turn", Outcome.TRUNCATED),
        ("refusal", Outcome.BLOCKED),
        ("something_new", Outcome.COMPLETE),
    ],
)
def test_stop_reasons(reason: str, outcome: Outcome) -> None:
    async def main() -> None:
        body = says("It rains.", stop_reason=reason)
        async with asked(body, stream(body)) as (model, _):
            for response in (await model.generate(ASKING), (await streamed(model))[-1]):
                assert (response.finish_reason, response.outcome) == (reason, outcome)

    asyncio.run(main())


def test_arguments_that_were_cut_off_are_no_call_to_act_on() -> None:
    body = message(calls("get_weather", {"city": "Par"}), stop_reason="max_tokens")
    pieces = [event_bytes(event) for event in events_of(body)]
    del pieces[-4]  # the second half of the arguments

    async def main() -> None:
        async with asked(body, Chunks(pieces)) as (model, _):
            for response in (await model.generate(ASKING), (await streamed(model))[-1]):
                (call,) = response.tool_calls
                assert call.arguments == {}
                assert call.malformed

    asyncio.run(main())


def test_an_error_inside_a_stream_and_a_stream_that_ends_early() -> None:
    whole = [event_bytes(event) for event in events_of(says("It rains."))]

    async def main() -> None:
        script = (
            Chunks([*whole[:4], event_bytes(error(529, "Overloaded"))]),
            Chunks(whole[:-2]),
            Chunks(whole[:4], drop=True),
        )
        async with asked(*script) as (model, _):
            for code in ("unavailable", "interrupted", "interrupted"):
                with pytest.raises(Unavailable) as caught:
                    await streamed(model)
                assert caught.value.code == code

    asyncio.run(main())


def test_what_a_provider_refuses_and_why_it_cannot_serve() -> None:
    script = (
        overloaded(),
        rate_limited(7),
        quota_exhausted(),
        fails(400, "prompt is too long: 210000 tokens > 200000 maximum"),
    )

    async def main() -> None:
        async with asked(*script) as (model, _):
            with pytest.raises(Unavailable, match="Overloaded"):
                await model.generate(ASKING)
            with pytest.raises(RateLimited) as limited:
                await streamed(model)
            assert limited.value.retry_after == 7
            with pytest.raises(QuotaExhausted):
                await model.generate(ASKING)
            with pytest.raises(InvalidConfig) as overflow:
                await model.generate(ASKING)
            assert overflow.value.code == "context_overflow"

    asyncio.run(main())


def test_a_wrong_key_and_a_wrong_name() -> None:
    async def main() -> None:
        async with asked(api_key="right") as (model, _):
            with pytest.raises(MissingCredential, match="check ANTHROPIC_API_KEY") as caught:
                await model.generate(ASKING)
            assert "key-1" not in str(caught.value)
        async with asked(models=["claude-sonnet-4-5"], name="claude-sonet-4-5") as (model, _):
            for ask in (model.generate(ASKING), streamed(model)):
                with pytest.raises(InvalidConfig, match="known names near it: claude-sonnet-4-5"):
                    await ask

    asyncio.run(main())


@pytest.mark.parametrize(
    "body", [b"", b"<!doctype html><title>Sign in</title>", b"null", b"[]", b'{"ok": true}', b"\xff"]
)
def test_what_is_no_answer(body: bytes) -> None:
    async def main() -> None:
        async with asked(Raw(body, content_type="text/html"), Raw(body, content_type="text/html")) as (model, _):
            for ask in (model.generate(ASKING), streamed(model)):
                with pytest.raises(Unavailable) as caught:
                    await ask
                assert caught.value.code == "malformed_body"

    asyncio.run(main())


def test_a_schema_that_only_the_provider_refuses_is_named() -> None:
    refusal = fails(400, "tools.0.custom.input_schema: JSON schema is invalid. It must match JSON Schema draft 2020-12")

    async def main() -> None:
        async with asked(refusal) as (model, _):
            with pytest.raises(InvalidConfig, match="change the schema of the tool get_weather"):
                await model.generate(ModelRequest([user("hi")], (WEATHER,)))

    asyncio.run(main())


def test_negative_and_missing_usage_counts_as_nothing() -> None:
    async def main() -> None:
        odd = {"input_tokens": -5, "cache_read_input_tokens": None, "output_tokens": "many"}
        async with asked(says("a", usage=odd), {**says("b"), "usage": None}) as (model, _):
            for _ in range(2):
                assert (await model.generate(ASKING)).usage == Usage()

    asyncio.run(main())


def test_names_that_were_changed_come_back_as_they_were() -> None:
    tool = ToolSchema("a.b", "", {"type": "object", "properties": {}})

    async def main() -> None:
        def answer(seen: Any) -> Any:
            return message(calls(seen.body["tools"][0]["name"]))

        async with asked(answer, answer) as (model, _):
            request = ModelRequest([user("hi")], (tool,))
            *deltas, whole = await streamed(model, request)
            assert deltas[0].name == "a.b"
            for response in (whole, await model.generate(request)):
                assert response.tool_calls[0].name == "a.b"

    asyncio.run(main())


@pytest.mark.parametrize("schema", [{"type": "object", "properties": {"n": {"type": "integer"}}}, {"type": "integer"}])
def test_older_models_give_json_by_a_call_and_it_is_text_here(schema: dict[str, Any]) -> None:
    plain = schema["type"] == "object"
    given = {"n": 1} if plain else {"answer": 1}
    body = message(calls("json_answer", given))

    async def main() -> None:
        async with asked(body, stream(body), name="claude-sonnet-4-0") as (model, _):
            request = ModelRequest([user("hi")], output_schema=schema)
            *deltas, whole = await streamed(model, request) if (response := await model.generate(request)) else []
            for one in (response, whole):
                assert (json.loads(one.text), one.outcome, one.finish_reason) == (
                    {"n": 1} if plain else 1,
                    Outcome.COMPLETE,
                    "tool_use",
                )
            assert "".join(one.text for one in deltas) == (whole.text if plain else "")

    asyncio.run(main())


def test_parts_that_only_anthropic_understands_are_kept() -> None:
    redacted = {"type": "redacted_thinking", "data": "AAEC"}

    async def main() -> None:
        body = message(redacted, text("a"), calls("f", call_id=""))
        async with asked(body, stream(body)) as (model, _):
            for response in (await model.generate(ASKING), (await streamed(model))[-1]):
                kept, said, call = response.message.parts
                assert (kept, said) == (Foreign("anthropic", redacted), Text("a"))
                assert isinstance(call, ToolCall)
                assert response.message.model == MODEL

    asyncio.run(main())
