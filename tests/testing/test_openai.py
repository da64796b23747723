"""The OpenAI stand-in, as OpenAI's own client sees it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from emonk.testing.answers import Answer, Drop
from emonk.testing.openai import OpenAIServer
from emonk.testing.openai_answers import (
    call,
    chunk,
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
from emonk.testing.stand_in import held

HI: Any = [{"role": "user", "content": "Weather in Paris?"}]
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}}
WEATHER: Any = {"type": "function", "function": {"name": "get_weather", "parameters": PARAMETERS}}
WEATHER_FLAT: Any = {"type": "function", "name": "get_weather", "parameters": PARAMETERS, "strict": False}


def client_of(server: OpenAIServer, key: str = "k") -> AsyncOpenAI:
    return AsyncOpenAI(api_key=key, base_url=server.base_url, max_retries=0)


def with_client(
    script: list[Answer], work: Callable[[AsyncOpenAI, OpenAIServer], Awaitable[None]], key: str = "k"
) -> None:
    async def main() -> None:
        async with OpenAIServer(script, api_key="k") as server, client_of(server, key) as client:
            await work(client, server)

    asyncio.run(main())


def test_a_completion_and_its_stream() -> None:
    async def work(client: AsyncOpenAI, server: OpenAIServer) -> None:
        whole = await client.chat.completions.create(model="m", messages=HI, tools=[WEATHER])
        (called,) = whole.choices[0].message.tool_calls or []
        assert called.type == "function"
        assert (called.function.name, called.function.arguments) == ("get_weather", '{"city":"Paris"}')
        assert whole.choices[0].finish_reason == "tool_calls"
        assert whole.usage is not None
        assert whole.usage.total_tokens == 15
        text, usage = "", None
        async for each in await client.chat.completions.create(
            model="m", messages=HI, stream=True, stream_options={"include_usage": True}
        ):
            text += (each.choices[0].delta.content or "") if each.choices else ""
            usage = each.usage or usage
        assert (text, usage and usage.prompt_tokens) == ("It rains.", 10)
        assert server.refused == []

    with_client([message(None, call("get_weather", {"city": "Paris"})), message("It rains.")], work)


def test_the_client_s_own_accumulation_of_a_streamed_call() -> None:
    async def work(client: AsyncOpenAI, _: OpenAIServer) -> None:
        async with client.chat.completions.stream(model="m", messages=HI, tools=[WEATHER]) as pieces:
            whole = await pieces.get_final_completion()
        calls = whole.choices[0].message.tool_calls or []
        assert [each.function.arguments for each in calls] == ['{"city":"Paris"}', '{"city":"Rome"}']

    calls = [call("get_weather", {"city": "Paris"}), call("get_weather", {"city": "Rome"}, call_id="call_2")]
    with_client([message(None, *calls)], work)


def test_a_response_and_its_stream() -> None:
    said = response(
        item_reasoning("hm"), item("Look.", phase="commentary"), item_call("get_weather", {"city": "Paris"})
    )

    async def work(client: AsyncOpenAI, server: OpenAIServer) -> None:
        whole = await client.responses.create(model="m", input="hi", tools=[WEATHER_FLAT])
        assert [each.type for each in whole.output] == ["reasoning", "message", "function_call"]
        assert whole.output_text == "Look."
        async with client.responses.stream(model="m", input="hi", tools=[WEATHER_FLAT]) as events:
            kinds = [event.type async for event in events]
            final = await events.get_final_response()
        assert final.output_text == "Look."
        assert kinds[0] == "response.created"
        assert kinds[-1] == "response.completed"
        assert "response.function_call_arguments.done" in kinds
        assert server.refused == []

    with_client([said, said], work)


ERRORS: list[tuple[Answer, type[openai.APIError]]] = [
    (rate_limited(3), openai.RateLimitError),
    (quota_exhausted(), openai.RateLimitError),
    (context_overflow(), openai.BadRequestError),
    (fails(404, "no such model", code="model_not_found"), openai.NotFoundError),
    (fails(503, "overloaded"), openai.InternalServerError),
    (Drop(), openai.APIConnectionError),
]


@pytest.mark.parametrize(("answer", "kind"), ERRORS)
def test_errors(answer: Answer, kind: type[openai.APIError]) -> None:
    async def work(client: AsyncOpenAI, _: OpenAIServer) -> None:
        with pytest.raises(kind):
            await client.chat.completions.create(model="m", messages=HI)

    with_client([answer], work)


def test_a_wrong_key_and_a_script_that_is_used_up() -> None:
    async def wrong(client: AsyncOpenAI, server: OpenAIServer) -> None:
        with pytest.raises(openai.AuthenticationError, match="Incorrect API key"):
            await client.chat.completions.create(model="m", messages=HI)
        assert server.requests == []

    async def used_up(client: AsyncOpenAI, _: OpenAIServer) -> None:
        with pytest.raises(openai.InternalServerError, match="asked for more"):
            await client.chat.completions.create(model="m", messages=HI)

    with_client([], wrong, key="another")
    with_client([], used_up)


def test_a_held_answer_and_a_stream_of_one_s_own() -> None:
    async def main() -> None:
        go = asyncio.Event()
        pieces = stream([chunk(delta(content="a")), chunk(delta("stop"))], size=1)
        async with OpenAIServer([held(message("late"), go), pieces]) as server, client_of(server) as client:
            asked = asyncio.ensure_future(client.chat.completions.create(model="m", messages=HI))
            await server.wait_for_requests()
            assert not asked.done()
            go.set()
            assert (await asked).choices[0].message.content == "late"
            heard = [each async for each in await client.chat.completions.create(model="m", messages=HI, stream=True)]
        assert [each.choices[0].delta.content for each in heard] == ["a", None]

    asyncio.run(main())


def shows(url: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]}


CALLED = {"role": "assistant", "content": None, "tool_calls": [call("f")]}
ANSWERED = {"role": "tool", "tool_call_id": "call_1", "content": "x"}
BAD_CHAT: list[tuple[dict[str, Any], str]] = [
    ({"messages": []}, "empty array"),
    ({"messages": [{"role": "robot", "content": "x"}]}, "Supported values"),
    ({"messages": [{"role": "assistant", "content": None}]}, "expected a string, got null"),
    ({"messages": [*HI, CALLED]}, "did not have response messages: call_1"),
    ({"messages": [*HI, CALLED, *HI, ANSWERED]}, "did not have response messages: call_1"),
    ({"messages": [*HI, ANSWERED]}, "must be a response to a preceeding message"),
    ({"messages": [*HI, CALLED, ANSWERED | {"tool_call_id": "other"}]}, "'other' not found"),
    ({"messages": [*HI, CALLED, ANSWERED, ANSWERED]}, "not found"),
    (shows("x"), "Invalid image"),
    (shows("data:image/bmp;base64,aA=="), "unsupported image"),
    (shows("data:image/png;base64,"), "does not represent a valid image"),
    ({"tool_choice": "required"}, "only allowed when 'tools'"),
    ({"tools": [WEATHER], "tool_choice": {"type": "function", "function": {"name": "g"}}}, "not found in 'tools'"),
    ({"tools": [{"type": "function", "function": {"name": "a.b"}}]}, "does not match pattern"),
    ({"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "array"}}}]}, "JSON Schema of"),
    ({"tools": [{"type": "function", "function": {"name": "f", "strict": True, "parameters": PARAMETERS}}]},
     "additionalProperties is not false"),
    ({"tools": [{"type": "function", "function": {"name": "f", "parameters":
      {"type": "object", "properties": {"a": {"type": "array"}}}}}]}, "array schema missing items"),
    ({"tools": [WEATHER] * 129}, "expected an array"),
    ({"temperature": 3}, "temperature"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"stream_options": {"include_usage": True}}, "only allowed when 'stream'"),
    ({"extra_body": {"thinking": True}}, "Unrecognized request argument"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "said"), BAD_CHAT)
def test_what_chat_completions_refuses(fields: dict[str, Any], said: str) -> None:
    asked: dict[str, Any] = {"model": "m", "messages": HI, **fields}

    async def work(client: AsyncOpenAI, server: OpenAIServer) -> None:
        with pytest.raises(openai.BadRequestError) as caught:
            await client.chat.completions.create(**asked)
        assert said in str(caught.value)
        assert len(server.refused) == 1

    with_client([], work)


FUNCTION_CALL = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "c", "output": "x"}
BAD_RESPONSES: list[tuple[dict[str, Any], str]] = [
    ({"input": [*HI, FUNCTION_CALL]}, "No tool output found for function call c"),
    ({"input": [*HI, OUTPUT]}, "No tool call found for function call output with call_id c"),
    ({"input": [*HI, FUNCTION_CALL, OUTPUT, FUNCTION_CALL, OUTPUT]}, "Duplicate item"),
    ({"input": [*HI, item_reasoning(), *HI]}, "without its required following item"),
    ({"input": [{"role": "user", "content": [{"type": "output_text", "text": "x"}]}]}, "Supported values"),
    ({"input": [*HI, FUNCTION_CALL | {"call_id": "x" * 65}]}, "64 characters"),
    ({"max_output_tokens": 1}, "Expected a value >= 16"),
    ({"reasoning": {"effort": "much"}}, "Supported values"),
    ({"tools": [WEATHER_FLAT | {"name": "a b"}]}, "does not match pattern"),
    ({"text": {"format": {"type": "json_schema", "name": "a", "schema": {"type": "array"}}}}, "got 'type: \"array\"'"),
]


@pytest.mark.parametrize(("fields", "said"), BAD_RESPONSES)
def test_what_the_responses_api_refuses(fields: dict[str, Any], said: str) -> None:
    asked: dict[str, Any] = {"model": "m", "input": HI, **fields}

    async def work(client: AsyncOpenAI, server: OpenAIServer) -> None:
        with pytest.raises(openai.BadRequestError) as caught:
            await client.responses.create(**asked)
        assert said in str(caught.value)
        assert len(server.refused) == 1

    with_client([], work)
