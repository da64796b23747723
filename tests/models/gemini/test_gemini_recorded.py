"""Recorded traffic: what the adapter makes of it over HTTP is what the recorded bodies say."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from google.genai import types

from emonk.errors import InvalidConfig
from emonk.messages import Thinking, user
from emonk.models.gemini.answer import Answer
from emonk.models.gemini.contents import write_contents
from emonk.models.gemini.model import GeminiModel
from emonk.models.gemini.wire import read_body
from emonk.models.protocol import ModelRequest, ModelResponse, TextDelta
from emonk.models.sse import EventParser
from emonk.records import Usage
from emonk.testing.answers import Chunks, Raw
from emonk.testing.gemini import GeminiServer
from emonk.testing.gemini_rules import check

ASKING = ModelRequest([user("hi")])
Row = dict[str, Any]


@pytest.fixture(scope="module")
def rows(shared_data: Path) -> list[Row]:
    return [json.loads(line) for line in (shared_data / "gemini.jsonl").read_text().splitlines()]


def bodies(row: Row) -> list[Any]:
    if not row["stream"]:
        return [row["response"]]
    return [json.loads(event.removeprefix("data:")) for event in re.split(r"(?:\r?\n){2}", row["response"]) if event]


def parts(row: Row) -> list[Any]:
    return [part for body in bodies(row) for part in body["candidates"][0].get("content", {}).get("parts", [])]


def expected_usage(row: Row) -> Usage:
    meta = next(body["usageMetadata"] for body in reversed(bodies(row)) if "usageMetadata" in body)
    usage = Usage(
        meta.get("promptTokenCount", 0) + meta.get("toolUsePromptTokenCount", 0),
        meta.get("candidatesTokenCount", 0) + meta.get("thoughtsTokenCount", 0),
        meta.get("cachedContentTokenCount", 0),
        0,
        meta.get("thoughtsTokenCount", 0),
    )
    assert usage.input_tokens + usage.output_tokens == meta["totalTokenCount"]
    return usage


def verify(row: Row, response: ModelResponse) -> None:
    said = parts(row)
    assert response.text == "".join(part["text"] for part in said if "text" in part and not part.get("thought"))
    thinking = [part.text for part in response.message.parts if isinstance(part, Thinking)]
    assert "".join(thinking) == "".join(part["text"] for part in said if part.get("thought"))
    called = [part["functionCall"] for part in said if "functionCall" in part]
    assert [(call.name, call.arguments) for call in response.tool_calls] == [(c["name"], c["args"]) for c in called]
    assert response.usage == expected_usage(row)
    assert response.finish_reason == bodies(row)[-1]["candidates"][0]["finishReason"]
    assert response.model == bodies(row)[-1]["modelVersion"]
    assert response.response_id == bodies(row)[-1].get("responseId", "")


async def replay(model: GeminiModel, row: Row) -> ModelResponse:
    if not row["stream"]:
        return await model.generate(ASKING)
    *deltas, whole = [piece async for piece in model.stream(ASKING)]
    assert isinstance(whole, ModelResponse)
    assert "".join(piece.text for piece in deltas if isinstance(piece, TextDelta)) == whole.text
    return whole


def recorded(row: Row, size: int) -> Raw | Chunks:
    if not row["stream"]:
        return Raw(json.dumps(row["response"]).encode(), row["status"])
    wire = row["response"].encode()
    return Chunks([wire[at : at + size] for at in range(0, len(wire), size)])


@pytest.mark.parametrize("size", [1, 1000, 1_000_000])
def test_every_row_over_http(rows: list[Row], size: int) -> None:
    chosen = rows if size == 1_000_000 else [row for row in rows if row["stream"]]

    async def main() -> None:
        async with GeminiServer([recorded(row, size) for row in chosen]) as server:
            model = GeminiModel("gemini-2.0-flash", api_key="k", base_url=server.base_url)
            for row in chosen:
                if row["status"] == 200:
                    verify(row, await replay(model, row))
                    continue
                with pytest.raises(InvalidConfig, match=re.escape(row["response"]["error"]["message"])):
                    await replay(model, row)
            await model.aclose()
        assert len(server.requests) == len(chosen)

    asyncio.run(main())


def test_every_stream_cut_in_two_at_every_byte(rows: list[Row]) -> None:
    for row in rows:
        if not row["stream"]:
            continue
        wire = row["response"].encode()
        whole = EventParser().feed(wire)
        assert [json.loads(event.data) for event in whole] == bodies(row)
        for at in range(len(wire)):
            parser = EventParser()
            assert parser.feed(wire[:at]) + parser.feed(wire[at:]) == whole


def test_what_the_model_said_goes_back_unchanged(rows: list[Row]) -> None:
    for row in rows:
        if row["status"] != 200 or row["stream"]:
            continue
        answer = Answer("m")
        answer.add(read_body(json.dumps(row["response"]).encode()))
        sent = write_contents([answer.response().message])
        said = [part for part in parts(row) if part != {"text": ""}]
        assert [part for content in sent for part in content["parts"]] == said
        for content in sent:
            types.Content.model_validate(content)


def test_the_rules_of_the_stand_in_allow_every_request_that_gemini_took(rows: list[Row]) -> None:
    for row in rows:
        check(row["request"], row["path"].rpartition("/")[2].partition(":")[0])
