"""Recorded traffic: what the adapter makes of it over HTTP is what the recorded bodies say."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from emonk.errors import InvalidConfig
from emonk.messages import AssistantMessage, Foreign, Thinking, user
from emonk.models.anthropic.answer import Asked, response_of
from emonk.models.anthropic.conversation import Conversation
from emonk.models.anthropic.model import AnthropicModel
from emonk.models.protocol import ModelRequest, ModelResponse, TextDelta, ThinkingDelta, ToolCallDelta
from emonk.models.sse import EventParser
from emonk.records import Usage
from emonk.testing.answers import Chunks, Raw
from emonk.testing.anthropic import AnthropicServer
from emonk.testing.anthropic_rules import check

ASKING = ModelRequest([user("hi")])
MODEL = "claude-sonnet-4-5"
Row = dict[str, Any]


@pytest.fixture(scope="module")
def rows(shared_data: Path) -> list[Row]:
    return [json.loads(line) for line in (shared_data / "anthropic.jsonl").read_text().splitlines()]


def events(row: Row) -> list[Any]:
    return [json.loads(line[5:]) for line in row["response"].splitlines() if line.startswith("data:")]


def whole(row: Row) -> Any:
    """The body that a stream amounts to, put together from its own events."""
    if not row["stream"]:
        return row["response"]
    body: Any = {}
    for event in events(row):
        match event["type"]:
            case "message_start":
                body = event["message"]
            case "content_block_start":
                body["content"].append({**event["content_block"], "json": ""})
            case "content_block_delta":
                block, delta = body["content"][event["index"]], event["delta"]
                for field, key in (("text", "text"), ("thinking", "thinking"), ("partial_json", "json")):
                    block[key] = block.get(key, "") + delta.get(field, "")
                block |= {"signature": delta["signature"]} if "signature" in delta else {}
            case "message_delta":
                body |= {"stop_reason": event["delta"]["stop_reason"]}
                body["usage"] |= {key: value for key, value in event["usage"].items() if value is not None}
            case _:
                continue
    for block in body["content"]:
        if block.pop("json"):
            block["input"] = json.loads("".join(piece for piece in partial(row, body["content"].index(block))))
    return body


def partial(row: Row, index: int) -> list[str]:
    deltas = [one["delta"] for one in events(row) if one["type"] == "content_block_delta" and one["index"] == index]
    return [delta.get("partial_json", "") for delta in deltas]


def verify(row: Row, response: ModelResponse) -> None:
    body = whole(row)
    said = body["content"]
    assert response.text == "".join(block["text"] for block in said if block["type"] == "text")
    thinking = [(part.text, part.signature) for part in response.message.parts if isinstance(part, Thinking)]
    thought = [block for block in said if block["type"] == "thinking"]
    assert thinking == [(block["thinking"], block["signature"]) for block in thought]
    called = [block for block in said if block["type"] == "tool_use"]
    assert [(call.id, call.name, call.arguments) for call in response.tool_calls] == [
        (block["id"], block["name"], block["input"]) for block in called
    ]
    kept = [part.data for part in response.message.parts if isinstance(part, Foreign)]
    own = {"text", "thinking", "tool_use"}
    assert [one["type"] for one in kept] == [block["type"] for block in said if block["type"] not in own]
    usage = body["usage"]
    cached, written = usage["cache_read_input_tokens"], usage["cache_creation_input_tokens"]
    assert response.usage == Usage(
        usage["input_tokens"] + cached + written,
        usage["output_tokens"],
        cached,
        written,
        usage.get("output_tokens_details", {}).get("thinking_tokens", 0),
    )
    assert response.finish_reason == body["stop_reason"]
    assert response.model == body["model"]
    assert response.response_id == body["id"]


async def replay(model: AnthropicModel, row: Row) -> ModelResponse:
    if not row["stream"]:
        return await model.generate(ASKING)
    *deltas, last = [piece async for piece in model.stream(ASKING)]
    assert isinstance(last, ModelResponse)
    assert "".join(piece.text for piece in deltas if isinstance(piece, TextDelta)) == last.text
    thinking = "".join(part.text for part in last.message.parts if isinstance(part, Thinking))
    assert "".join(piece.text for piece in deltas if isinstance(piece, ThinkingDelta)) == thinking
    calls = [piece for piece in deltas if isinstance(piece, ToolCallDelta)]
    for index, call in enumerate(last.tool_calls):
        assert next(piece for piece in calls if piece.index == index).name == call.name
        assert json.loads("".join(piece.arguments for piece in calls if piece.index == index)) == call.arguments
    return last


def recorded(row: Row, size: int) -> Raw | Chunks:
    if not row["stream"]:
        return Raw(json.dumps(row["response"]).encode(), row["status"])
    wire = row["response"].encode()
    return Chunks([wire[at : at + size] for at in range(0, len(wire), size)])


@pytest.mark.parametrize("size", [1, 1000, 1_000_000])
def test_every_row_over_http(rows: list[Row], size: int) -> None:
    chosen = rows if size == 1_000_000 else [row for row in rows if row["stream"]]

    async def main() -> None:
        async with AnthropicServer([recorded(row, size) for row in chosen]) as server:
            model = AnthropicModel(MODEL, api_key="k", base_url=server.base_url)
            for row in chosen:
                if row["status"] == 200:
                    verify(row, await replay(model, row))
                    continue
                with pytest.raises(InvalidConfig, match=re.escape(row["response"]["error"]["message"])):
                    await replay(model, row)
            await model.aclose()
        assert len(server.requests) == len(chosen)

    asyncio.run(main())


def test_every_stream_cut_in_two_around_every_line(rows: list[Row]) -> None:
    for row in rows:
        if not row["stream"]:
            continue
        wire = row["response"].encode()
        complete = EventParser().feed(wire)
        assert [json.loads(event.data) for event in complete] == events(row)
        ends = [at for at, byte in enumerate(wire) if byte == ord("\n")]
        for at in {max(0, end + near) for end in ends for near in (-1, 0, 1, 2)}:
            parser = EventParser()
            assert parser.feed(wire[:at]) + parser.feed(wire[at:]) == complete


ELSEWHERE = {"mcp_tool_use", "mcp_tool_result"}
"""What only requests with a beta header may hold; emonk sends none of these tools."""


def test_what_the_model_said_goes_back_unchanged(rows: list[Row]) -> None:
    for row in rows:
        if row["status"] != 200 or row["stream"]:
            continue
        message = response_of(row["response"], Asked(MODEL)).message
        said = [_sent(block) for block in row["response"]["content"] if _is_sent(block)]
        asked = [block for one in row["request"]["messages"] for block in one["content"] if one["role"] == "assistant"]
        open_calls = [Foreign("anthropic", block) for block in asked if block["type"] == "server_tool_use"][-1:]
        resumed = bool(open_calls) and said[0]["type"].endswith("_tool_result")
        before = [AssistantMessage(tuple(open_calls), "anthropic")] if resumed else []
        turns = Conversation(MODEL).write([user("hi"), *before, message, user("go on")])
        sent = [block for turn in turns for block in turn["content"] if turn["role"] == "assistant"][resumed:]
        assert sent == said


def _is_sent(block: Any) -> bool:
    advised = block.get("name") == "advisor" or block["type"] == "advisor_tool_result"
    return block["type"] not in ELSEWHERE and not advised and bool(block.get("text", "x").strip())


def _sent(block: Any) -> Any:
    """Without what only answers say."""
    kept = {"text": ("type", "text"), "tool_use": ("type", "id", "name", "input")}.get(block["type"])
    return {key: block[key] for key in kept} if kept else block


def test_the_rules_of_the_stand_in_allow_every_request_that_anthropic_took(rows: list[Row]) -> None:
    for row in rows:
        if row["status"] == 200:
            check(row["request"])
