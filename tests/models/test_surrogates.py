"""Half characters in an answer: it is read, and not asked and paid for again."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emonk.models.openai.calls import read_arguments
from emonk.models.protocol import ModelResponse
from emonk.models.surrogates import decoded, mend
from tests.models.test_http_answers import ADAPTERS, ASKING, head, serving

ANSWERS: dict[str, Any] = {
    "gemini": {"candidates": [{"content": {"parts": [{"text": "SAID"}]}, "finishReason": "STOP"}]},
    "openai": {"choices": [{"index": 0, "message": {"content": "SAID"}, "finish_reason": "stop"}]},
    "anthropic": {"type": "message", "content": [{"type": "text", "text": "SAID"}], "stop_reason": "end_turn"},
    "openai-responses": {
        "object": "response",
        "status": "completed",
        "output": [{"type": "message", "content": [{"type": "output_text", "text": "SAID"}]}],
    },
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_with_half_a_character_is_read(name: str) -> None:
    body = json.dumps(ANSWERS[name]).replace("SAID", r"a \ud800 b \ud83d\ude00")

    async def main() -> ModelResponse:
        async with serving(serve) as url:
            model = ADAPTERS[name](url)
            try:
                return await model.generate(ASKING)
            finally:
                await model.aclose()

    async def serve(writer: asyncio.StreamWriter) -> None:
        writer.write(head() + body.encode())

    assert asyncio.run(main()).text == "a \ufffd b \U0001f600"


def test_a_stream_with_half_a_character_is_read() -> None:
    event = json.dumps(ANSWERS["gemini"]).replace("SAID", r"\udfff")

    async def main() -> Sequence[object]:
        async with serving(serve) as url:
            model = ADAPTERS["gemini"](url)
            pieces = [piece async for piece in model.stream(ASKING)]
            await model.aclose()
            return pieces

    async def serve(writer: asyncio.StreamWriter) -> None:
        writer.write(head(200, "text/event-stream") + f"data: {event}\n\n".encode())

    (*_, last) = asyncio.run(main())
    assert isinstance(last, ModelResponse)
    assert last.text == "\ufffd"


def test_arguments_with_half_a_character_are_read() -> None:
    assert read_arguments(r'{"a": "\ud800"}') == ({"a": "\ufffd"}, None)


@given(st.lists(st.sampled_from(["\\", "u", "d800", "dc00", r"\ud83d", r"\ude00", r"\\", r"\n", "x", "\u00e9"])))
def test_what_a_lenient_reader_reads_is_read_with_replacements(pieces: list[str]) -> None:
    raw = '"' + "".join(pieces) + '"'
    try:
        text: str = json.loads(raw)
    except ValueError:
        with pytest.raises((msgspec.MsgspecError, ValueError)):
            decoded(msgspec.json.decode, raw.encode())
        return
    whole = "".join("\ufffd" if "\ud800" <= each <= "\udfff" else each for each in text)
    assert decoded(msgspec.json.decode, raw.encode()) == whole


@given(st.text())
def test_what_is_whole_stays_as_it_is(text: str) -> None:
    raw = json.dumps(text.encode(errors="replace").decode()).encode()
    assert mend(raw) == raw
