"""Requests to Gemini, written as JSON. https://ai.google.dev/api/generate-content."""

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
    ToolMessage,
    ToolResult,
    UserMessage,
)
from emonk.models.fields import as_bytes, as_object
from emonk.models.gemini.wire import MADE_UP_ID, PROVIDER, Json
from emonk.models.protocol import ModelRequest, ToolLike

_encode = msgspec.json.Encoder().encode

_SENT_BACK = ("codeExecutionResult", "executableCode", "fileData", "inlineData", "toolCall", "toolResponse")
"""Kinds of `Foreign` parts that Gemini takes in a model's content; one that it does not know refuses the whole request.

https://ai.google.dev/api/caching#Part, and recorded traffic.
"""

_ASIDE = ("mediaResolution", "partMetadata", "videoMetadata")
"""What may stand beside them."""


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
    """Parts in order, without empty ones, which Gemini refuses, and without those of other providers.

    What a model once said is in every later request: one part that cannot be sent would end the session.
    """
    wire: list[Json] = []
    for part in parts:
        match part:
            case Text(text, signature) if text or as_bytes(signature):
                wire.append(_signed({"text": text}, signature))
            case Thinking(text, signature) if text or as_bytes(signature):
                wire.append(_signed({"text": text, "thought": True}, signature))
            case Blob(mime_type, data, signature):
                wire.append(_signed({"inlineData": {"mimeType": mime_type, "data": data}}, signature))
            case ToolCall():
                wire.append(_write_call(part))
            case Foreign(provider, data) if provider == PROVIDER:
                wire += _write_foreign(data)
            case Text() | Thinking() | Foreign():
                continue
    return wire


def _write_foreign(data: Json) -> list[Json]:
    kinds = [kind for kind in _SENT_BACK if isinstance(data.get(kind), dict)]
    if len(kinds) != 1 or (kinds == ["inlineData"] and as_bytes(as_object(data["inlineData"]).get("data")) is None):
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
    if as_bytes(signature):
        wire["thoughtSignature"] = signature
    return wire
