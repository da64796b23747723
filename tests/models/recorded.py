"""Recorded traffic: how it is given again over HTTP, and what holds for every adapter that reads it."""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from emonk.errors import InvalidConfig
from emonk.messages import Thinking
from emonk.models.protocol import Model, ModelDelta, ModelResponse, TextDelta, ThinkingDelta, ToolCallDelta
from emonk.models.sse import EventParser
from emonk.testing.answers import Chunks, Raw, in_pieces
from tests.models.asking import ASKING, streamed

Row = dict[str, Any]

SIZES = (1, 1000, 1_000_000)
"""Bytes of a stream that come at once."""


def rows_of(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def rows_in(rows: list[Row], size: int) -> list[Row]:
    """All rows for the largest size; else those that come in pieces."""
    return rows if size == max(SIZES) else [row for row in rows if row["stream"]]


def recorded(row: Row, size: int = max(SIZES)) -> Raw | Chunks:
    """A row as a stand-in's answer."""
    if not row["stream"]:
        return Raw(json.dumps(row["response"]).encode(), row["status"])
    return in_pieces([row["response"].encode()], size=size)


async def replay(model: Model, row: Row) -> ModelResponse:
    """What is read of a row, as a whole and, where it was a stream, in pieces that come to the same."""
    if not row["stream"]:
        return await model.generate(ASKING)
    deltas, whole = await streamed(model)
    verify_deltas(deltas, whole)
    return whole


def verify_deltas(deltas: Sequence[ModelDelta], whole: ModelResponse) -> None:
    assert "".join(piece.text for piece in deltas if isinstance(piece, TextDelta)) == whole.text
    thought = "".join(piece.text for piece in deltas if isinstance(piece, ThinkingDelta))
    assert thought == "".join(part.text for part in whole.message.parts if isinstance(part, Thinking))
    pieces = [piece for piece in deltas if isinstance(piece, ToolCallDelta)]
    for index, call in enumerate(whole.tool_calls):
        mine = [piece for piece in pieces if piece.index == index]
        assert (mine[0].id, mine[0].name) == (call.id, call.name)
        assert json.loads("".join(piece.arguments for piece in mine) or "{}") == call.arguments


async def check_row(model: Model, row: Row, verify: Callable[[Row, ModelResponse], None]) -> None:
    """A row is read as it should be, or is the refusal that it was."""
    if row["status"] == 200:
        verify(row, await replay(model, row))
        return
    with pytest.raises(InvalidConfig, match=re.escape(row["response"]["error"]["message"])):
        await replay(model, row)


def around_line_ends(wire: bytes) -> list[int]:
    """Where a stream may be cut in two so that it hurts."""
    ends = [at for at, byte in enumerate(wire) if byte in b"\r\n"]
    return sorted({near for end in ends for near in range(end - 1, end + 3)}.intersection(range(len(wire))))


def check_cuts(wire: bytes, said: Sequence[Any], places: Iterable[int]) -> None:
    """A stream cut in two there is the same events as in one piece, which hold what it says."""
    whole = EventParser().feed(wire)
    assert [json.loads(event.data) for event in whole if event.data != b"[DONE]"] == said
    for at in places:
        parser = EventParser()
        assert parser.feed(wire[:at]) + parser.feed(wire[at:]) == whole
