"""Recorded traffic: what the adapter makes of it over HTTP is what the recorded bodies say."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from emonk.errors import EmonkError, InvalidConfig, MalformedOutput, Unavailable
from emonk.messages import Thinking
from emonk.models.fields import as_object
from emonk.models.openai.model import OpenAIModel
from emonk.models.protocol import Model, ModelResponse
from emonk.records import Usage
from emonk.testing.answers import Chunks
from emonk.testing.openai import OpenAIServer
from emonk.testing.openai_responses_rules import check as check_response
from emonk.testing.openai_rules import FIELDS
from emonk.testing.openai_rules import check as check_completion
from tests.models.asking import over_http
from tests.models.recorded import SIZES, Row, around_line_ends, check_cuts, recorded, replay, rows_in, rows_of

Said = dict[str, Any]
"""What a row says, read in the plainest way: text, thinking, calls, usage, finish_reason, model, id; or error."""

ERRORS = {
    "tool_use_failed": MalformedOutput,
    "unsupported_value": InvalidConfig,
    "unsupported_file": InvalidConfig,
    400: InvalidConfig,
    None: InvalidConfig,
}


@pytest.fixture(scope="module", params=["chat", "responses"])
def rows(request: pytest.FixtureRequest, shared_data: Path) -> list[Row]:
    return [row | {"api": request.param} for row in rows_of(shared_data / f"openai_{request.param}.jsonl")]


def events(row: Row) -> list[Any]:
    data = re.findall(r"^data: ?(.*)$", row["response"], re.MULTILINE)
    return [json.loads(each) for each in data if each != "[DONE]"]


def error_of(row: Row) -> Any:
    found = events(row) if row["stream"] else [row["response"]]
    return next((error for each in found if (error := as_object(each).get("error"))), None)


def chat_said(row: Row) -> Said:
    bodies = events(row) if row["stream"] else [row["response"]]
    choices = [choice for body in bodies for choice in body["choices"]]
    messages = [choice["delta" if row["stream"] else "message"] for choice in choices]
    calls: dict[Any, dict[str, str]] = {}
    for message in messages:
        for at, call in enumerate(message.get("tool_calls") or []):
            known = calls.setdefault(call["index"] if row["stream"] else at, {"name": "", "arguments": ""})
            known["name"] += call["function"].get("name") or ""
            known["arguments"] += call["function"].get("arguments") or ""
    usage: Said = next((body["usage"] for body in reversed(bodies) if body.get("usage")), Said())
    prompt: Said = usage.get("prompt_tokens_details") or {}
    completion: Said = usage.get("completion_tokens_details") or {}
    cached = [usage.get(name) for name in ("cached_tokens", "prompt_cache_hit_tokens")]
    return {
        "text": "".join(message.get("content") or "" for message in messages),
        "thinking": "".join(message.get("reasoning_content") or message.get("reasoning") or "" for message in messages),
        "calls": [(call["name"], json.loads(call["arguments"] or "{}")) for call in calls.values()],
        "usage": Usage(
            usage["prompt_tokens"],
            usage["completion_tokens"],
            prompt.get("cached_tokens") or next(filter(None, cached), 0),
            prompt.get("cache_write_tokens") or 0,
            completion.get("reasoning_tokens") or 0,
        ),
        "finish_reason": next((each["finish_reason"] for each in reversed(choices) if each.get("finish_reason")), ""),
        "model": bodies[-1]["model"],
        "id": bodies[-1]["id"],
    }


def responses_said(row: Row) -> Said:
    body = events(row)[-1]["response"] if row["stream"] else row["response"]
    usage = body["usage"]
    calls: list[Said] = [item for item in body["output"] if item["type"] == "function_call"]
    parts = [part for item in body["output"] if item["type"] == "message" for part in item["content"]]
    reasoning: list[Said] = [item for item in body["output"] if item["type"] == "reasoning"]
    told: list[list[Said]] = [item.get("summary") or item.get("content") or [] for item in reasoning]
    thinking = ["\n\n".join(part["text"] for part in parts) for parts in told]
    return {
        "text": "".join(part["text"] for part in parts),
        "thinking": "".join(thinking),
        "calls": [(call["name"], json.loads(call["arguments"])) for call in calls],
        "usage": Usage()
        if usage is None
        else Usage(
            usage["input_tokens"],
            usage["output_tokens"],
            usage["input_tokens_details"]["cached_tokens"],
            usage["input_tokens_details"].get("cache_write_tokens", 0),
            usage["output_tokens_details"]["reasoning_tokens"],
        ),
        "finish_reason": body["status"],
        "model": body["model"],
        "id": body["id"],
    }


def verify(row: Row, response: ModelResponse) -> None:
    said = chat_said(row) if row["api"] == "chat" else responses_said(row)
    assert response.text == said["text"]
    assert "".join(part.text for part in response.message.parts if isinstance(part, Thinking)) == said["thinking"]
    assert [(call.name, call.arguments) for call in response.tool_calls] == said["calls"]
    assert (response.usage, response.finish_reason) == (said["usage"], said["finish_reason"])
    assert (response.model, response.response_id) == (said["model"], said["id"])


async def check_row(model: Model, row: Row) -> None:
    error = error_of(row)
    if error is not None:
        with pytest.raises(ERRORS[error.get("code")], match=re.escape(error["message"])):
            await replay(model, row)
    elif isinstance(row["response"], str) and not row["stream"]:
        with pytest.raises(Unavailable) as caught:
            await replay(model, row)
        assert caught.value.code == "malformed_body"
    else:
        verify(row, await replay(model, row))


@pytest.mark.parametrize("size", SIZES)
def test_every_row_over_http(rows: list[Row], size: int) -> None:
    chosen = rows_in(rows, size)

    async def work(model: Model) -> None:
        for row in chosen:
            await check_row(model, row)

    server = OpenAIServer([recorded(row, size) for row in chosen])
    over_http(server, lambda url: OpenAIModel("m", base_url=url, api=rows[0]["api"]), work, answers=len(chosen))


def test_every_stream_cut_in_two_around_every_line_end(rows: list[Row]) -> None:
    for row in rows:
        if row["stream"]:
            wire = row["response"].encode()
            check_cuts(wire, events(row), around_line_ends(wire))


def test_the_rules_of_the_stand_in_allow_every_request_that_openai_took(rows: list[Row]) -> None:
    checked = 0
    for row in rows:
        if row["status"] != 200 or row["path"] != f"/v1/{'chat/completions' if row['api'] == 'chat' else 'responses'}":
            continue
        if row["api"] == "responses":
            check_response(row["request"])
        elif row["request"].keys() <= FIELDS and not row["request"]["model"].startswith("mistral"):
            check_completion(row["request"])
        checked += 1
    assert checked > 50


def test_an_error_keeps_its_kind_in_a_stream_and_out_of_it(rows: list[Row]) -> None:
    for row in rows:
        if error_of(row) is None or row["stream"]:
            continue
        wire = b"data: " + json.dumps(row["response"]).encode() + b"\n\n"

        async def main(wire: bytes = wire, row: Row = row) -> list[EmonkError]:
            caught: list[EmonkError] = []
            async with OpenAIServer([recorded(row), Chunks([wire])]) as server:
                model = OpenAIModel("m", base_url=server.base_url, api=row["api"])
                for each in (row, row | {"stream": True}):
                    with pytest.raises(EmonkError) as error:
                        await replay(model, each)
                    caught.append(error.value)
                await model.aclose()
            return caught

        whole, streamed = asyncio.run(main())
        assert (type(whole), whole.code, whole.message) == (type(streamed), streamed.code, streamed.message)
