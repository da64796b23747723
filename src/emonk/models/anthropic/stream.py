"""An answer of Anthropic's as its stream brings it. https://platform.claude.com/docs/en/build-with-claude/streaming."""

from collections.abc import Iterator
from typing import Any

import msgspec

from emonk.messages import AssistantPart
from emonk.models.anthropic.answer import Asked, whole
from emonk.models.anthropic.request import ANSWER_TOOL
from emonk.models.anthropic.wire import is_lost, read_block
from emonk.models.fields import as_object, as_text
from emonk.models.protocol import ModelDelta, ModelResponse, TextDelta, ThinkingDelta, ToolCallDelta
from emonk.models.surrogates import decoded

Json = dict[str, Any]

_KIND_OF_DELTA = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "thinking",
    "input_json_delta": "tool_use",
}

_encode = msgspec.json.Encoder().encode


class _Block:
    """A content block that is not over yet."""

    def __init__(self, start: Json) -> None:
        self.start = start
        self.kind = as_text(start.get("type"))
        self.call = -1
        self.texts: list[str] = []
        self.signature = as_text(start.get("signature"))

    def body(self) -> Json:
        """The block as a body without a stream would have it."""
        joined = "".join(self.texts)
        match self.kind:
            case "text":
                return {**self.start, "text": as_text(self.start.get("text")) + joined}
            case "thinking":
                text = as_text(self.start.get("thinking")) + joined
                return {**self.start, "thinking": text, "signature": self.signature}
            case _:
                return {**self.start, "input": _arguments(joined)} if joined.strip() else self.start


class StreamedAnswer:
    """An answer as it comes together.

    Attributes:
        over: the answer has come to its end.
    """

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._body: Json = {}
        self._usage: Json = {}
        self._blocks: dict[int, _Block] = {}
        self._calls = 0
        self.over = False

    def add(self, event: Json) -> Iterator[ModelDelta]:
        """Take in the data of an event, and give what it adds."""
        match event.get("type"):
            case "message_start":
                message = as_object(event.get("message"))
                self._body |= {key: message[key] for key in ("id", "model", "stop_reason") if message.get(key)}
                self._count(message)
            case "content_block_start":
                yield from self._begin(_index(event), as_object(event.get("content_block")))
            case "content_block_delta":
                yield from self._grow(_index(event), as_object(event.get("delta")))
            case "content_block_stop":
                yield from self._end(_index(event))
            case "message_delta":
                delta = as_object(event.get("delta"))
                self._body |= {key: delta[key] for key in ("stop_reason",) if delta.get(key)}
                self._count(event)
                self.over = self.over or bool(as_text(delta.get("stop_reason")))
            case "message_stop":
                self.over = True
            case _:  # `ping`, and events that are yet to come
                return

    def response(self) -> ModelResponse:
        """What has come so far, as a whole."""
        blocks = [self._blocks[index].body() for index in sorted(self._blocks)]
        parts: list[AssistantPart] = []
        lost = False
        for block in blocks:
            part = read_block(block, self._asked.names)
            if part is not None:
                parts.append(part)
            else:
                lost = lost or is_lost(block)
        return whole({**self._body, "usage": self._usage}, parts, self._asked, lost=lost)

    def _count(self, holder: Json) -> None:
        """Counts of tokens are of all that came so far; one that is not told stays."""
        usage = as_object(holder.get("usage"))
        self._usage |= {key: value for key, value in usage.items() if value is not None}

    def _begin(self, index: int, start: Json) -> Iterator[ModelDelta]:
        block = self._blocks[index] = _Block(start)
        match block.kind:
            case "text" if text := as_text(start.get("text")):
                yield TextDelta(text)
            case "thinking" if text := as_text(start.get("thinking")):
                yield ThinkingDelta(text)
            case "tool_use" if not self._is_answer(block) and as_text(start.get("name")):
                block.call = self._calls
                self._calls += 1
                name = as_text(start.get("name"))
                yield ToolCallDelta(block.call, "", self._asked.names.get(name, name), as_text(start.get("id")))
            case _:
                return

    def _grow(self, index: int, delta: Json) -> Iterator[ModelDelta]:
        kind = as_text(delta.get("type"))
        block = self._blocks.get(index)
        if block is None:
            block = self._blocks[index] = _Block({"type": _KIND_OF_DELTA.get(kind, "")})
        match kind:
            case "text_delta" if text := as_text(delta.get("text")):
                block.texts.append(text)
                yield TextDelta(text)
            case "thinking_delta" if text := as_text(delta.get("thinking")):
                block.texts.append(text)
                yield ThinkingDelta(text)
            case "signature_delta":
                block.signature += as_text(delta.get("signature"))
            case "input_json_delta" if piece := as_text(delta.get("partial_json")):
                block.texts.append(piece)
                if block.call >= 0:
                    yield ToolCallDelta(block.call, piece)
                elif self._is_answer(block) and not self._asked.answer_key:
                    yield TextDelta(piece)
            case _:
                return

    def _end(self, index: int) -> Iterator[ModelDelta]:
        """Arguments that came all at once, or not at all."""
        block = self._blocks.get(index)
        if block is not None and block.call >= 0 and not "".join(block.texts).strip():
            given = as_object(block.start.get("input"))
            yield ToolCallDelta(block.call, _encode(given).decode())

    def _is_answer(self, block: _Block) -> bool:
        return self._asked.answer_tool and block.start.get("name") == ANSWER_TOOL


def _index(event: Json) -> int:
    index = event.get("index")
    return index if isinstance(index, int) else 0


def _arguments(text: str) -> Any:
    """An object, or the text that is to be one."""
    try:
        found: Any = decoded(msgspec.json.decode, text.encode())
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return text
    return as_object(found) if isinstance(found, dict) else text
