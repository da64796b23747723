"""Recorded traffic: what the adapter makes of it over HTTP is what the recorded bodies say."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from google.genai import types

from emonk.messages import Thinking
from emonk.models.gemini.answer import Answer
from emonk.models.gemini.contents import write_contents
from emonk.models.gemini.model import GeminiModel
from emonk.models.gemini.wire import read_body
from emonk.models.protocol import Model, ModelResponse
from emonk.records import Usage
from emonk.testing.gemini import GeminiServer
from emonk.testing.gemini_rules import check
from tests.models.asking import over_http
from tests.models.recorded import SIZES, Row, check_cuts, check_row, recorded, rows_in, rows_of


@pytest.fixture(scope="module")
def rows(shared_data: Path) -> list[Row]:
    return rows_of(shared_data / "gemini.jsonl")


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


@pytest.mark.parametrize("size", SIZES)
def test_every_row_over_http(rows: list[Row], size: int) -> None:
    chosen = rows_in(rows, size)

    async def work(model: Model) -> None:
        for row in chosen:
            await check_row(model, row, verify)

    server = GeminiServer([recorded(row, size) for row in chosen])
    over_http(server, lambda url: GeminiModel("gemini-2.0-flash", api_key="k", base_url=url), work, answers=len(chosen))


def test_every_stream_cut_in_two_at_every_byte(rows: list[Row]) -> None:
    for row in rows:
        if row["stream"]:
            wire = row["response"].encode()
            check_cuts(wire, bodies(row), range(len(wire)))


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
