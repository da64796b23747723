"""Anthropic's answers, read from JSON. https://platform.claude.com/docs/en/api/messages/create."""

from collections.abc import Mapping
from typing import Any

import msgspec

from emonk.errors import Unavailable
from emonk.ids import uuid7
from emonk.messages import AssistantPart, Foreign, Text, Thinking, ToolCall
from emonk.models.anthropic.conversation import PROVIDER
from emonk.models.anthropic.errors import read_failure
from emonk.models.error_body import read_error_body
from emonk.models.fields import as_object, as_text
from emonk.models.surrogates import decoded

Json = dict[str, Any]

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def read_object(raw: bytes, *, model: str) -> Json:
    """A body, or the data of an event of a stream, that is no error.

    Raises:
        InfraError: it is an error; `malformed_body`: it is nothing of Anthropic's.
        ConfigError: it is an error that a human must act on.
    """
    try:
        found: Any = decoded(_decode, raw)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise _unreadable(raw, model) from None
    body = as_object(found)
    if not body:
        raise _unreadable(raw, model)
    if body.get("type") == "error" or (body.get("error") and "type" not in body):
        raise read_failure(200, {}, raw, model=model)
    return body


def _unreadable(raw: bytes, model: str) -> Unavailable:
    """What came instead of an answer."""
    page = read_error_body(raw[:4096]).page
    came = "a web page" if page else "nothing" if not raw.strip() else "something that is no answer"
    hint = "check ANTHROPIC_BASE_URL and proxies" if page or not raw.strip() else ""
    return Unavailable(f"Anthropic ({model}) sent {came}", hint=hint, code="malformed_body")


def read_block(block: Json, names: Mapping[str, str], *, complete: bool = True) -> AssistantPart | None:
    """A content block in emonk's form; None when it says nothing, or nothing that could be answered or sent back.

    Args:
        block: as it came.
        names: what tools are called here that were sent under another name.
        complete: the answer was not cut off inside of it.
    """
    match block:
        case {"type": "text", "text": str(text)}:
            return Text(text) if text else None
        case {"type": "thinking"}:
            text, signature = as_text(block.get("thinking")), as_text(block.get("signature"))
            return Thinking(text, signature or None) if text or signature else None
        case {"type": "tool_use"}:
            return _read_call(block, names, complete=complete)
        case {"type": str(kind)} if kind not in {"", "text"}:
            return Foreign(PROVIDER, block)
        case _:
            return None


def is_lost(block: Json) -> bool:
    """Of a block that `read_block` makes nothing of: it was to say something."""
    return block.get("type") == "tool_use"


def _read_call(block: Json, names: Mapping[str, str], *, complete: bool) -> ToolCall | None:
    """A call; None without a name, since there is no result that would answer it."""
    name = as_text(block.get("name"))
    if not name:
        return None
    identifier = as_text(block.get("id")) or f"emonk_call_{uuid7()}"
    name = names.get(name, name)
    given = block.get("input")
    if complete and (given is None or isinstance(given, dict)):
        return ToolCall(identifier, name, as_object(given))
    return ToolCall(identifier, name, malformed=given if isinstance(given, str) else _encode(given).decode())
