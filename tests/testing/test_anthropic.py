"""The Anthropic stand-in, held against Anthropic's own client."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anthropic
import pytest

from emonk.testing.answers import Drop
from emonk.testing.anthropic import AnthropicServer
from emonk.testing.anthropic_answers import calls, fails, message, overloaded, rate_limited, says, stream, text, thought
from emonk.testing.anthropic_rules import Refused, check
from emonk.testing.stand_in import held

MODEL = "claude-opus-5"
Json = dict[str, Any]


@asynccontextmanager
async def official(server: AnthropicServer, key: str = "k") -> AsyncGenerator[anthropic.AsyncAnthropic]:
    client = anthropic.AsyncAnthropic(api_key=key, base_url=server.base_url, max_retries=0)
    async with client:
        yield client


def test_the_official_client_reads_text_and_usage() -> None:
    async def main() -> None:
        usage = {"input_tokens": 7, "output_tokens": 3, "cache_read_input_tokens": 2}
        async with AnthropicServer([says("It rains.", usage=usage)]) as server, official(server) as client:
            answer = await client.messages.create(
                model=MODEL, max_tokens=10, messages=[{"role": "user", "content": "Weather?"}]
            )
        assert answer.content[0].type == "text"
        assert answer.content[0].text == "It rains."
        assert (answer.stop_reason, answer.usage.cache_read_input_tokens) == ("end_turn", 2)
        assert server.requests[0].body["messages"][0]["content"] == "Weather?"

    asyncio.run(main())


@pytest.mark.parametrize("size", [None, 1, 7])
def test_the_official_client_reads_a_stream(size: int | None) -> None:
    body = message(thought("hm"), text("It räins."), calls("f", {"city": "Paris"}))

    async def main() -> None:
        async with AnthropicServer([stream(body, size=size), body]) as server, official(server) as client:
            for _ in range(2):
                asked = client.messages.stream(
                    model=MODEL, max_tokens=10, messages=[{"role": "user", "content": "Weather?"}]
                )
                async with asked as events:
                    assert "".join([piece async for piece in events.text_stream]) == "It räins."
                    whole = await events.get_final_message()
                read = [block.model_dump(exclude_none=True) for block in whole.content]
                assert [{key: one[key] for key in sent} for one, sent in zip(read, body["content"], strict=True)] == (
                    body["content"]
                )
                assert whole.stop_reason == "tool_use"

    asyncio.run(main())


def test_the_official_client_gives_the_result_of_a_call() -> None:
    async def main() -> None:
        script = [message(calls("get_weather", {"city": "Paris"})), says("It rains in Paris.")]
        tools: list[Any] = [{"name": "get_weather", "input_schema": {"type": "object", "properties": {}}}]
        history: list[Any] = [{"role": "user", "content": "Weather?"}]
        async with AnthropicServer(script) as server, official(server) as client:
            first = await client.messages.create(model=MODEL, max_tokens=10, tools=tools, messages=history)
            block = first.content[0]
            assert block.type == "tool_use"
            history += [{"role": "assistant", "content": first.content}, user(result(block.id))]
            last = await client.messages.create(model=MODEL, max_tokens=10, tools=tools, messages=history)
        assert last.stop_reason == "end_turn"
        assert server.requests[1].body["messages"][2]["content"][0]["tool_use_id"] == "toolu_get_weather"

    asyncio.run(main())


def test_the_official_client_sees_the_errors() -> None:
    async def main() -> None:
        script = [rate_limited(3), overloaded(), fails(500, "Internal"), Drop()]
        kinds = [
            anthropic.RateLimitError, anthropic.InternalServerError, anthropic.InternalServerError,
            anthropic.APIConnectionError, anthropic.InternalServerError,
        ]  # fmt: skip
        async with AnthropicServer(script) as server, official(server) as client:
            for kind in kinds:
                with pytest.raises(kind) as caught:
                    await client.messages.create(
                        model=MODEL, max_tokens=1, messages=[{"role": "user", "content": "hi"}]
                    )
                if isinstance(caught.value, anthropic.RateLimitError):
                    assert caught.value.response.headers["retry-after"] == "3"

    asyncio.run(main())


def test_a_key_and_a_name_are_checked_and_use_up_no_answer() -> None:
    async def main() -> None:
        async with AnthropicServer([says("hi")], api_key="right", models=[MODEL]) as server:
            for key, name, kind in (
                ("wrong", MODEL, anthropic.AuthenticationError),
                ("right", "claude-x", anthropic.NotFoundError),
            ):
                async with official(server, key) as client:
                    with pytest.raises(kind):
                        await client.messages.create(
                            model=name, max_tokens=1, messages=[{"role": "user", "content": "hi"}]
                        )
            async with official(server, "right") as client:
                await client.messages.create(model=MODEL, max_tokens=1, messages=[{"role": "user", "content": "hi"}])
        assert (len(server.requests), len(server.refused)) == (1, 2)

    asyncio.run(main())


def test_an_answer_can_be_held() -> None:
    async def main() -> None:
        until = asyncio.Event()
        async with AnthropicServer([held(says("hi"), until)]) as server, official(server) as client:
            asking = asyncio.ensure_future(
                client.messages.create(model=MODEL, max_tokens=1, messages=[{"role": "user", "content": "hi"}])
            )
            await server.wait_for_requests()
            assert not asking.done()
            until.set()
            assert (await asking).stop_reason == "end_turn"

    asyncio.run(main())


def user(*blocks: Any) -> Json:
    return {"role": "user", "content": list(blocks) or "hi"}


def model(*blocks: Json) -> Json:
    return {"role": "assistant", "content": list(blocks)}


def result(call_id: str = "toolu_f", **more: Any) -> Json:
    return {"type": "tool_result", "tool_use_id": call_id, "content": "x", **more}


TOOL: Json = {"name": "f", "input_schema": {"type": "object"}}
CALL = calls("f")
IMAGE: Json = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}


def request(*messages: Json, **more: Any) -> Json:
    return {
        "model": "claude-sonnet-4-5",
        "max_tokens": 4000,
        "messages": list(messages) or [user()],
        "tools": [TOOL],
        **more,
    }


def marked(count: int) -> list[Json]:
    return [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}} for _ in range(count)]


@pytest.mark.parametrize(
    "body",
    [
        request(),
        request(user(), model(CALL), user(result(), text("and?"))),
        request(user(), model(thought("a"), CALL), user(result()), thinking={"type": "enabled", "budget_tokens": 1024}),
        request(user(), model(text("The answer is"))),
        request(user(IMAGE, *marked(4))),
        request(user(), user(), tool_choice={"type": "tool", "name": "f"}),
    ],
)
def test_what_is_allowed(body: Json) -> None:
    check(body)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (request(max_tokens=None), "max_tokens: Field required"),
        (request(max_tokens=64_001), "maximum allowed number of output tokens"),
        (request(model=""), "model: Field required"),
        (request(colour="red"), "colour: Extra inputs"),
        (request(model(text("a")), user()), 'first message must use the "user" role'),
        (request({"role": "robot", "content": "a"}), "Input should be 'user'"),
        (request(user(text(" "))), "non-whitespace"),
        (request(user(), model(text("a "))), "trailing whitespace"),
        (request(user(), model(text("a")), model="claude-opus-4-8"), "prefill"),
        (request(user(), model(CALL)), "without `tool_result` blocks immediately after: toolu_f"),
        (request(user(), model(CALL), user(text("a"))), "without `tool_result` blocks"),
        (request(user(), model(CALL), user(text("a"), result())), "must come first"),
        (request(user(), model(CALL), user(result(), result())), "a single result"),
        (request(user(result())), "unexpected `tool_use_id`"),
        (request(user(), model(CALL, CALL), user(result())), "must be unique"),
        (request(user(), model({**CALL, "id": "a b"}), user(result("a b"))), "'^[a-zA-Z0-9_-]+$'"),
        (request(user(), model({**CALL, "input": "a"}), user(result())), "valid dictionary"),
        (request(user(), model(CALL), user(result(content="", is_error=True))), "if `is_error` is true"),
        (request(user(CALL)), "not permitted in `user`"),
        (request(user(), model(IMAGE, text("a"))), "not permitted in `assistant`"),
        (request(user(), model(thought("a", "")), user()), "signature: Field required"),
        (request(user(), model(text("a"), thought("a")), user()), "cannot be `thinking`"),
        (request(user({**IMAGE, "source": {**IMAGE["source"], "media_type": "image/tiff"}})), "media_type"),
        (request(user({**IMAGE, "source": {**IMAGE["source"], "data": ""}})), "image cannot be empty"),
        (request(user({**IMAGE, "source": {**IMAGE["source"], "data": "?"}})), "not valid base64"),
        (request(user({"type": "hologram"})), "does not match any of the expected tags"),
        (request(user(*marked(5))), "A maximum of 4 blocks"),
        (request(tools=[TOOL, TOOL]), "names must be unique"),
        (request(tools=[{**TOOL, "name": "f g"}]), "{1,128}"),
        (request(tools=[{"name": "f", "input_schema": {"type": "array"}}]), "input_schema.type"),
        (request(tools=[{"name": "f", "input_schema": {"type": "object", "oneOf": []}}]), "does not support oneOf"),
        (request(tool_choice={"type": "tool", "name": "g"}), "'g' not found"),
        (request(tools=[], tool_choice={"type": "auto"}), "only be specified while providing tools"),
        (request(tool_choice={"type": "any"}, model="claude-opus-5-5"), "forcing tool use is not supported"),
        (request(thinking={"type": "enabled", "budget_tokens": 1000}), "greater than or equal to 1024"),
        (request(thinking={"type": "enabled", "budget_tokens": 4000}), "must be greater than"),
        (request(thinking={"type": "adaptive"}), "not supported for this model"),
        (request(thinking={"type": "disabled"}, model="claude-opus-5-5"), "not supported for this model"),
        (
            request(tool_choice={"type": "any"}, thinking={"type": "enabled", "budget_tokens": 1024}),
            "when tool_choice forces tool use",
        ),
        (
            request(user(), model(CALL), user(result()), thinking={"type": "enabled", "budget_tokens": 1024}),
            "must start with a thinking block",
        ),
        (request(temperature=1.5), "range: 0..1"),
        (request(temperature=1, model="claude-opus-4-7"), "deprecated"),
        (request(output_config={"effort": "high"}), "does not support the effort"),
        (
            request(output_config={"format": {"type": "json_schema", "schema": {"type": "object"}}}),
            "explicitly set to false",
        ),
        (
            request(output_config={"format": {"schema": {"type": "number", "minimum": 1}}}),
            "properties minimum are not supported",
        ),
    ],
)
def test_what_is_refused(body: Json, said: str) -> None:
    with pytest.raises(Refused) as caught:
        check(body)
    assert said in str(caught.value)


def test_dropping_thinking_wants_its_beta_header() -> None:
    thinking = {"type": "adaptive", "block_binding": {"prefix_mismatch_behavior": "drop_block"}}
    body = request(model="claude-fable-5-1", thinking=thinking)
    check(body, betas=["thinking-binding-controls-2026-08-01"])
    with pytest.raises(Refused, match="block_binding: Extra inputs"):
        check(body, betas=[])
