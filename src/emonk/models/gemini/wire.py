"""Gemini's answers, read from JSON. https://ai.google.dev/api/generate-content."""

from collections.abc import Sequence
from typing import Any

import msgspec

from emonk.errors import Unavailable
from emonk.ids import uuid7
from emonk.messages import AssistantPart, Blob, Foreign, Text, Thinking, ToolCall
from emonk.models.fields import as_bytes, as_count, as_object, as_text
from emonk.models.surrogates import decoded
from emonk.records import Usage

PROVIDER = "gemini"
"""The name that `Foreign` parts of this format carry."""

MADE_UP_ID = "emonk_call_"
"""How the id of a call begins that came without one; such an id is never sent."""

Json = dict[str, Any]

_COUNTS = (
    "promptTokenCount",
    "toolUsePromptTokenCount",
    "candidatesTokenCount",
    "thoughtsTokenCount",
    "cachedContentTokenCount",
)


class Content(msgspec.Struct):
    """What a candidate says. Parts stay as they came, also those of kinds that are not known here."""

    parts: list[Any] | None = None


class Candidate(msgspec.Struct, rename="camel"):
    """One answer; more than one is never asked for."""

    content: Content | None = None
    finish_reason: str | None = None


class PromptFeedback(msgspec.Struct, rename="camel"):
    """Why the prompt was refused."""

    block_reason: str | None = None


class Body(msgspec.Struct, rename="camel"):
    """A GenerateContentResponse, or one chunk of it; what is not read here is skipped."""

    candidates: list[Candidate | None] | None = None
    prompt_feedback: PromptFeedback | None = None
    usage_metadata: dict[str, Any] | None = None
    model_version: str | None = None
    response_id: str | None = None
    error: Any = None

    @property
    def candidate(self) -> Candidate | None:
        return self.candidates[0] if self.candidates else None

    @property
    def block_reason(self) -> str:
        """Why there is no candidate."""
        return (self.prompt_feedback and self.prompt_feedback.block_reason) or ""


_body = msgspec.json.Decoder(Body)
_encode = msgspec.json.Encoder().encode


def read_body(raw: bytes) -> Body:
    """Decode an answer.

    Raises:
        Unavailable: `malformed_body`: the provider, or something in between, sent what is no answer of Gemini's.
    """
    try:
        return decoded(_body.decode, raw)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Unavailable(f"the answer cannot be read: {error}", code="malformed_body") from None


def read_part(part: Any) -> AssistantPart | None:
    """A part in emonk's form; None when it says nothing, or nothing that could be answered or sent back."""
    data = as_object(part)
    signature = data.get("thoughtSignature")
    if not isinstance(signature, str):
        signature = None
        if len(data) == 1 and type(text := data.get("text")) is str:  # nearly every part
            return Text(text) if text else None
    match data:
        case {"text": str(text)} if text or signature is not None:
            return Thinking(text, signature) if data.get("thought") is True else Text(text, signature)
        case {"text": str()} | {"functionResponse": _}:  # responses to calls are never the model's to give
            return None
        case {"functionCall": call}:
            return _read_call(as_object(call), signature)
        case {"inlineData": blob}:
            return _read_blob(data, as_object(blob), signature)
        case {"thoughtSignature": str(), **rest} if not rest:
            return Text("", signature)
        case _:
            return Foreign(PROVIDER, data) if data else None


def is_lost(part: Any) -> bool:
    """Of a part that `read_part` makes nothing of: it was to say something."""
    return not as_object(part).keys().isdisjoint({"functionCall", "functionResponse", "inlineData"})


def _read_call(call: Json, signature: str | None) -> ToolCall | None:
    """A call; None without a name, since there is no result that would answer it."""
    name = as_text(call.get("name"))
    if not name:
        return None
    identifier = as_text(call.get("id")) or MADE_UP_ID + uuid7()
    arguments = call.get("args")
    if arguments is None or isinstance(arguments, dict):
        return ToolCall(identifier, name, as_object(arguments), signature)
    return ToolCall(identifier, name, {}, signature, _encode(arguments).decode())


def arguments_of(call: ToolCall) -> str:
    """The JSON text of a call's arguments, also of those that are no object."""
    return call.malformed if call.malformed is not None else _encode(call.arguments).decode()


def _read_blob(part: Json, blob: Json, signature: str | None) -> AssistantPart | None:
    mime_type, data = as_text(blob.get("mimeType")), as_bytes(blob.get("data"))
    if not mime_type or not data:
        return None
    return Foreign(PROVIDER, part) if "thought" in part else Blob(mime_type, data, signature)


def read_usage(meta: dict[str, Any] | None) -> Usage:
    """Tokens in emonk's definition: tool-use prompts are input, thoughts are output, cached lies inside the prompt."""
    if not meta:
        return Usage()
    prompt, tools, answer, thoughts, cached = [as_count(meta[key]) if key in meta else 0 for key in _COUNTS]
    return Usage(
        input_tokens=prompt + tools,
        output_tokens=answer + thoughts,
        cached_input_tokens=cached,
        reasoning_tokens=thoughts,
    )


def join_parts(parts: Sequence[AssistantPart]) -> tuple[AssistantPart, ...]:
    """Parts of a stream with neighbouring text made one; a signed part stays alone, as Google asks."""
    if len(parts) < 2:
        return tuple(parts)
    joined: list[AssistantPart] = []
    for part in parts:
        last = joined[-1] if joined else None
        match last, part:
            case (Text(before, None), Text(text, None)):
                joined[-1] = Text(before + text)
            case (Thinking(before, None), Thinking(text, None)):
                joined[-1] = Thinking(before + text)
            case _:
                joined.append(part)
    return tuple(joined)
