"""Messages as Gemini's contents. https://ai.google.dev/api/caching#Content."""

from collections.abc import Sequence
from typing import Any

import msgspec

from emonk.errors import InvalidConfig
from emonk.messages import (
    AssistantMessage,
    AssistantPart,
    Blob,
    Foreign,
    Message,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    UserMessage,
    UserPart,
)
from emonk.models.fields import as_bytes, as_object
from emonk.models.gemini.wire import MADE_UP_ID, PROVIDER, Json
from emonk.models.media import bare_type, last_user, note_of

PLACEHOLDER = "skip_thought_signature_validator"
"""The signature for calls that Gemini did not make.

Gemini 3 refuses the first call of a step without one. Vertex AI takes only this of the two placeholders that
https://ai.google.dev/gemini-api/docs/thought-signatures names.
"""

_OWN = ("", PROVIDER)  # messages of old logs name no provider; they were Gemini's

_IMAGES = frozenset({"image/png", "image/jpeg", "image/webp", "image/heic", "image/heif"})
_OTHERS = ("audio/", "video/", "text/", "application/pdf", "application/json")
"""https://ai.google.dev/gemini-api/docs/image-understanding, and the guides beside it."""

_SENT_BACK = ("codeExecutionResult", "executableCode", "fileData", "inlineData", "toolCall", "toolResponse")
"""Kinds of `Foreign` parts that Gemini takes in a model's content; one that it does not know refuses the whole request.

https://ai.google.dev/api/caching#Part, and recorded traffic.
"""

_ASIDE = ("mediaResolution", "partMetadata", "videoMetadata")
"""What may stand beside them."""


def write_contents(messages: Sequence[Message], *, all_signed: bool = False) -> list[Json]:
    """Messages as contents that Gemini accepts.

    Neighbours of one role are one content, since a call must directly follow a user's turn; the results of a step are
    one content of their own, in the order of its calls. A message without parts for Gemini is left out.

    Args:
        messages: of the conversation, whoever was its model.
        all_signed: the model wants a signature with the first call of each step.

    Raises:
        InvalidConfig: what the user said last holds what Gemini does not read.
    """
    contents: list[Json] = []
    previous = ""
    order: list[str] = []
    results: list[ToolResult] = []
    for index, message in enumerate(messages):
        if isinstance(message, UserMessage):
            kind, said = "user", message.parts
            if any(type(part) is not Text for part in said):
                said = _readable(said, strict=index == last_user(messages))
            wire = _write_parts(said)
        elif isinstance(message, AssistantMessage):
            parts = message.parts
            kind, wire = "model", _write_parts(parts if message.provider in _OWN else _common(parts))
            calls = [part.id for part in parts if isinstance(part, ToolCall)]
            order = order + calls if previous == kind else calls
        else:
            results = [*results, *message.results] if previous == "tool" else [*message.results]
            kind, wire = "tool", [_write_result(result) for result in _in_order(results, order)]
        if not wire:
            continue
        if kind == "model" and all_signed:
            _sign_first_call(wire)
        if kind != previous:
            contents.append({"role": "model" if kind == "model" else "user", "parts": wire})
        elif kind == "tool":
            contents[-1]["parts"] = wire
        else:
            contents[-1]["parts"] += wire
        previous = kind
    return contents


def _in_order(results: Sequence[ToolResult], order: list[str]) -> Sequence[ToolResult]:
    if len(results) < 2:
        return results
    position = {identifier: index for index, identifier in enumerate(order)}
    return sorted(results, key=lambda result: position.get(result.call_id, len(order)))


def _readable(parts: Sequence[UserPart], *, strict: bool) -> list[UserPart]:
    """What a user said; of what Gemini does not read, a note unless `strict`."""
    read: list[UserPart] = []
    for part in parts:
        if isinstance(part, Blob):
            try:
                _check_blob(part)
            except InvalidConfig:
                if strict:
                    raise
                read.append(note_of(part))
                continue
        read.append(part)
    return read


def _check_blob(blob: Blob) -> None:
    kind = bare_type(blob)
    if not blob.data:
        raise InvalidConfig(
            f"a message holds a file of 0 bytes ({kind or 'of no type'})", hint="send it with its content"
        )
    if not _is_read(kind):
        types = ", ".join(sorted(_IMAGES))
        raise InvalidConfig(f"Gemini does not read {kind or 'a file of no type'}", hint=f"images are {types}")


def _is_read(kind: str) -> bool:
    return kind in _IMAGES or kind.startswith(_OTHERS)


def _common(parts: Sequence[AssistantPart]) -> list[AssistantPart]:
    """What any model could have said, of a message of another one: no signatures, no thinking, no parts of its own."""
    kept: list[AssistantPart] = []
    for part in parts:
        match part:
            case Text(text):
                kept.append(Text(text))
            case Blob(kind, data) if data:
                kept.append(Blob(kind, data))
            case ToolCall(identifier, name, arguments):
                kept.append(ToolCall(identifier, name, arguments))
            case Thinking() | Foreign() | Blob():
                continue
    return kept


def _sign_first_call(wire: list[Json]) -> None:
    first = next((part for part in wire if "functionCall" in part), None)
    if first is not None:
        first.setdefault("thoughtSignature", PLACEHOLDER)


def _write_parts(parts: Sequence[AssistantPart]) -> list[Json]:
    """Parts in order, without empty ones, which Gemini refuses, and without those of other providers.

    What a model once said is in every later request: one part that cannot be sent would end the session.
    """
    wire: list[Json] = []
    for part in parts:
        if isinstance(part, Text):
            if part.text or as_bytes(part.signature):
                wire.append(_signed({"text": part.text}, part.signature))
        elif isinstance(part, ToolCall):
            wire.append(_write_call(part))
        elif isinstance(part, Thinking):
            if part.text or as_bytes(part.signature):
                wire.append(_signed({"text": part.text, "thought": True}, part.signature))
        elif isinstance(part, Blob):
            kind = bare_type(part)
            if part.data and _is_read(kind):
                # What stands beside the type may tell how to read a sound.
                inline = {"mimeType": kind if kind in _IMAGES else part.mime_type, "data": part.data}
                wire.append(_signed({"inlineData": inline}, part.signature))
        elif part.provider == PROVIDER:
            wire += _write_foreign(part.data)
    return wire


def _write_foreign(data: Json) -> list[Json]:
    kinds = [kind for kind in _SENT_BACK if isinstance(data.get(kind), dict)]
    if len(kinds) != 1 or (kinds == ["inlineData"] and not as_bytes(as_object(data["inlineData"]).get("data"))):
        return []
    wire: Json = {key: data[key] for key in (*kinds, *_ASIDE) if isinstance(data.get(key), dict)}
    if data.get("thought") is True:
        wire["thought"] = True
    return [_signed(wire, data.get("thoughtSignature"))]


def _write_call(call: ToolCall) -> Json:
    wire: Json = {"name": call.name, "args": call.arguments}
    if not call.id.startswith(MADE_UP_ID):
        wire["id"] = call.id
    return _signed({"functionCall": wire}, call.signature)


def _write_result(result: ToolResult) -> Json:
    """A result under `output` or `error`, the keys that https://ai.google.dev/api/caching#FunctionResponse names."""
    response: Json = {"output": _value(result.content)} if result.error is None else {"error": result.content}
    wire: Json = {"name": result.name, "response": response}
    if not result.call_id.startswith(MADE_UP_ID):
        wire["id"] = result.call_id
    return {"functionResponse": wire}


def _value(content: str) -> Any:
    """JSON objects and arrays as they are, so that the model is not shown escaped quotes; all else as text."""
    if content[:1] not in {"{", "["}:
        return content
    try:
        raw = content.encode()
        msgspec.json.decode(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return content
    return msgspec.Raw(raw)


def _signed(wire: Json, signature: Any) -> Json:
    if signature is not None and as_bytes(signature):
        wire["thoughtSignature"] = signature
    return wire
