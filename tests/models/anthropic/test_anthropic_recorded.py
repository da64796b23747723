"""Recorded traffic: what the adapter makes of it over HTTP is what the recorded bodies say."""

import json
from pathlib import Path
from typing import Any

import pytest

from emonk.messages import AssistantMessage, Foreign, Thinking, user
from emonk.models.anthropic.answer import Asked, response_of
from emonk.models.anthropic.conversation import Conversation
from emonk.models.anthropic.model import AnthropicModel
from emonk.models.protocol import Model, ModelResponse
from emonk.records import Usage
from emonk.testing.anthropic import AnthropicServer
from emonk.testing.anthropic_rules import check
from tests.models.asking import over_http
from tests.models.recorded import SIZES, Row, around_line_ends, check_cuts, check_row, recorded, rows_in, rows_of

MODEL = "claude-sonnet-4-5"


@pytest.fixture(scope="module")
def rows(shared_data: Path) -> list[Row]:
    return rows_of(shared_data / "anthropic.jsonl")


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


@pytest.mark.parametrize("size", SIZES)
def test_every_row_over_http(rows: list[Row], size: int) -> None:
    chosen = rows_in(rows, size)

    async def work(model: Model) -> None:
        for row in chosen:
            await check_row(model, row, verify)

    server = AnthropicServer([recorded(row, size) for row in chosen])
    over_http(server, lambda url: AnthropicModel(MODEL, api_key="k", base_url=url), work, answers=len(chosen))


def test_every_stream_cut_in_two_around_every_line(rows: list[Row]) -> None:
    for row in rows:
        if row["stream"]:
            wire = row["response"].encode()
            check_cuts(wire, events(row), around_line_ends(wire))


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
