"""Gemini's JSON: requests written, answers read. https://ai.google.dev/api/generate-content."""

import base64
import binascii
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from emonk.errors import InvalidConfig, Unavailable
from emonk.ids import uuid7
from emonk.messages import (
    AssistantMessage,
    AssistantPart,
    Blob,
    Foreign,
    Message,
    Text,
    Thinking,
    ToolCall,
    ToolMessage,
    ToolResult,
    UserMessage,
)
from emonk.models.fields import as_count, as_object, as_text
from emonk.models.protocol import ModelRequest, ToolLike
from emonk.records import Usage

PROVIDER = "gemini"
"""The name that `Foreign` parts of this format carry."""

MADE_UP_ID = "emonk_call_"
"""How the id of a call begins that came without one; such an id is never sent."""

Json = dict[str, Any]


class Content(msgspec.Struct):
    """What a candidate says. Parts stay as they came: an unknown one must go back unchanged."""

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
    def finish_reason(self) -> str:
        """The candidate's own word; the prompt's block reason when there is no candidate."""
        if (candidate := self.candidate) is not None:
            return candidate.finish_reason or ""
        return (self.prompt_feedback and self.prompt_feedback.block_reason) or ""

    @property
    def parts(self) -> list[Any]:
        candidate = self.candidate
        return (candidate and candidate.content and candidate.content.parts) or []


_body = msgspec.json.Decoder(Body)
_encode = msgspec.json.Encoder().encode


def read_body(raw: bytes) -> Body:
    """Decode an answer.

    Raises:
        Unavailable: `malformed_body`: the provider, or something in between, sent what is no answer of Gemini's.
    """
    try:
        return _body.decode(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Unavailable(f"the answer cannot be read: {error}", code="malformed_body") from None


def read_part(part: Any) -> AssistantPart | None:
    """A part in emonk's form; None when it says nothing."""
    data = as_object(part)
    if not data:
        return None
    signature = data.get("thoughtSignature")
    if not isinstance(signature, str):
        signature = None
    if isinstance(text := data.get("text"), str):
        if not text and signature is None:
            return None
        return Thinking(text, signature) if data.get("thought") is True else Text(text, signature)
    if "functionCall" in data:
        return _read_call(data, signature)
    return _read_blob(data, signature)


def _read_call(part: Json, signature: str | None) -> AssistantPart:
    call = as_object(part["functionCall"])
    name = as_text(call.get("name"))
    if not name:
        return Foreign(PROVIDER, part)
    identifier = as_text(call.get("id")) or MADE_UP_ID + uuid7()
    arguments = call.get("args")
    if arguments is None or isinstance(arguments, dict):
        return ToolCall(identifier, name, as_object(arguments), signature)
    return ToolCall(identifier, name, {}, signature, _encode(arguments).decode())


def _read_blob(part: Json, signature: str | None) -> AssistantPart:
    match part:
        case {"inlineData": {"mimeType": str(mime_type), "data": str(data)}} if "thought" not in part:
            try:
                return Blob(mime_type, base64.b64decode(data, validate=True), signature)
            except (binascii.Error, ValueError):
                return Foreign(PROVIDER, part)
        case _:
            return Foreign(PROVIDER, part)


def read_usage(meta: dict[str, Any] | None) -> Usage:
    """Tokens in emonk's definition: tool-use prompts are input, thoughts are output, cached lies inside the prompt."""
    if not meta:
        return Usage()
    thoughts = as_count(meta.get("thoughtsTokenCount"))
    return Usage(
        input_tokens=as_count(meta.get("promptTokenCount")) + as_count(meta.get("toolUsePromptTokenCount")),
        output_tokens=as_count(meta.get("candidatesTokenCount")) + thoughts,
        cached_input_tokens=as_count(meta.get("cachedContentTokenCount")),
        reasoning_tokens=thoughts,
    )


def join_parts(parts: Iterable[AssistantPart]) -> tuple[AssistantPart, ...]:
    """Parts of a stream with neighbouring text made one; a signed part stays alone, as Google asks."""
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


class RequestWriter:
    """Writes requests; the tools are encoded once for as long as they stay the same."""

    def __init__(self) -> None:
        self._tools: tuple[ToolLike, ...] = ()
        self._encoded_tools = msgspec.Raw(b"[]")

    def write(self, request: ModelRequest) -> bytes:
        """The JSON body of a request.

        Raises:
            InvalidConfig: `unencodable_request`: something in it has no JSON form.
        """
        body: Json = {"contents": write_contents(request.messages)}
        if request.instructions:
            body["systemInstruction"] = {"parts": [{"text": request.instructions}]}
        try:
            if request.tools:
                body["tools"] = self._declarations(tuple(request.tools))
                if request.tool_choice != "auto":
                    mode = "ANY" if request.tool_choice == "required" else "NONE"
                    body["toolConfig"] = {"functionCallingConfig": {"mode": mode}}
            if config := _generation_config(request):
                body["generationConfig"] = config
            return _encode(body)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise InvalidConfig(f"the request has no JSON form: {error}", code="unencodable_request") from error

    def _declarations(self, tools: tuple[ToolLike, ...]) -> msgspec.Raw:
        if tools != self._tools:
            declarations = [
                {"name": tool.name, "description": tool.description, "parametersJsonSchema": tool.parameters}
                for tool in tools
            ]
            self._encoded_tools = msgspec.Raw(_encode([{"functionDeclarations": declarations}]))
            self._tools = tools
        return self._encoded_tools


def _generation_config(request: ModelRequest) -> Json:
    config: Json = {}
    if request.max_output_tokens is not None:
        config["maxOutputTokens"] = request.max_output_tokens
    if request.temperature is not None:
        config["temperature"] = request.temperature
    if request.output_schema is not None:
        config["responseMimeType"] = "application/json"
        config["responseJsonSchema"] = request.output_schema
    return config


def write_contents(messages: Sequence[Message]) -> list[Json]:
    """Messages as contents that Gemini accepts.

    Neighbours of one role are one content, since a call must directly follow a user's turn; the results of a step are
    one content of their own, in the order of its calls. A message without parts for Gemini is left out.
    """
    contents: list[Json] = []
    previous = ""
    order: list[str] = []
    results: list[ToolResult] = []
    for message in messages:
        match message:
            case UserMessage(parts):
                kind, wire = "user", _write_parts(parts)
            case AssistantMessage(parts):
                kind, wire = "model", _write_parts(parts)
                calls = [call.id for call in message.tool_calls]
                order = order + calls if previous == kind else calls
            case ToolMessage(more):
                results = [*results, *more] if previous == "tool" else [*more]
                kind, wire = "tool", [_write_result(result) for result in _in_order(results, order)]
        if not wire:
            continue
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


def _write_parts(parts: Sequence[AssistantPart]) -> list[Json]:
    """Parts in order, without empty ones, which Gemini refuses, and without those of other providers."""
    wire: list[Json] = []
    for part in parts:
        match part:
            case Text(text, signature) if text or signature:
                wire.append(_signed({"text": text}, signature))
            case Thinking(text, signature) if text or signature:
                wire.append(_signed({"text": text, "thought": True}, signature))
            case Blob(mime_type, data, signature):
                wire.append(_signed({"inlineData": {"mimeType": mime_type, "data": data}}, signature))
            case ToolCall():
                wire.append(_write_call(part))
            case Foreign(provider, data) if provider == PROVIDER:
                wire.append(data)
            case Text() | Thinking() | Foreign():
                continue
    return wire


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


def _signed(wire: Json, signature: str | None) -> Json:
    if signature is not None:
        wire["thoughtSignature"] = signature
    return wire
