"""Requests as providers recorded them, read back into emonk's form.

Not what an adapter does: these say only as much as is needed to know how large a request was.
"""

import base64
import binascii
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

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
    UserPart,
)
from emonk.models.fields import as_list, as_object, as_text
from emonk.models.protocol import ModelRequest, ToolSchema
from emonk.records import Usage
from emonk.testing.gemini_rules import camel

Json = dict[str, Any]

FORMATS = ("gemini", "openai_chat", "openai_responses", "anthropic")


def request_of(wire_format: str, body: Json) -> ModelRequest:
    """A recorded request; `wire_format` is one of `FORMATS`."""
    match wire_format:
        case "gemini":
            return _gemini(as_object(_camel(body)))
        case "anthropic":
            messages = [read for one in as_list(body.get("messages")) for read in _anthropic(as_object(one))]
            return ModelRequest(messages, _tools(body), _texts(body.get("system")), output_schema=_schema(body))
        case "openai_chat":
            messages = _joined(_chat(as_object(one)) for one in as_list(body.get("messages")))
            return ModelRequest(messages, _tools(body), output_schema=_schema(body))
        case _:
            given = body.get("input")
            items = [{"role": "user", "content": given}] if isinstance(given, str) else as_list(given)
            messages = _joined(read for one in items for read in _response_item(as_object(one)))
            return ModelRequest(messages, _tools(body), as_text(body.get("instructions")), output_schema=_schema(body))


def _joined(messages: Iterable[Message]) -> list[Message]:
    """One message for what a model said in one answer, which these formats tell in several."""
    joined: list[Message] = []
    for message in messages:
        last = joined[-1] if joined else None
        if isinstance(message, AssistantMessage) and isinstance(last, AssistantMessage):
            joined[-1] = AssistantMessage((*last.parts, *message.parts))
        elif isinstance(message, ToolMessage) and isinstance(last, ToolMessage):
            joined[-1] = ToolMessage((*last.results, *message.results))
        else:
            joined.append(message)
    return joined


def usage_of(wire_format: str, response: Json | str) -> Usage | None:
    """The usage that a recorded answer reports, None without one; the last word of a stream counts."""
    found: Json = {}
    for body in _bodies(response):
        inner = as_object(body.get("response")) or as_object(body.get("message")) or body
        found = {**found, **as_object(inner.get("usageMetadata")), **as_object(inner.get("usage"))}
    return _USAGE[wire_format](found) if found else None


def _bodies(response: Json | str) -> Iterator[Json]:
    if not isinstance(response, str):
        yield response
        return
    for line in response.splitlines():
        if line.startswith("data:") and line[5:].strip() != "[DONE]":
            yield as_object(msgspec.json.decode(line[5:].strip()))


def _gemini_usage(found: Json) -> Usage:
    used = found.get("promptTokenCount", 0) + found.get("toolUsePromptTokenCount", 0)
    thoughts = found.get("thoughtsTokenCount", 0)
    return Usage(used, found.get("candidatesTokenCount", 0) + thoughts, 0, 0, thoughts)


def _chat_usage(found: Json) -> Usage:
    details = as_object(found.get("completion_tokens_details"))
    return Usage(
        found.get("prompt_tokens", 0), found.get("completion_tokens", 0), 0, 0, details.get("reasoning_tokens") or 0
    )


def _responses_usage(found: Json) -> Usage:
    details = as_object(found.get("output_tokens_details"))
    return Usage(
        found.get("input_tokens", 0), found.get("output_tokens", 0), 0, 0, details.get("reasoning_tokens") or 0
    )


def _anthropic_usage(found: Json) -> Usage:
    cached, written = found.get("cache_read_input_tokens") or 0, found.get("cache_creation_input_tokens") or 0
    return Usage(found.get("input_tokens", 0) + cached + written, found.get("output_tokens", 0))


_USAGE = {
    "gemini": _gemini_usage,
    "openai_chat": _chat_usage,
    "openai_responses": _responses_usage,
    "anthropic": _anthropic_usage,
}


def _gemini(body: Json) -> ModelRequest:
    tools = [as_object(tool) for tool in _listed(body.get("tools"))]
    declared = [as_object(one) for tool in tools for one in as_list(tool.get("functionDeclarations"))]
    config = as_object(body.get("generationConfig"))
    return ModelRequest(
        [message for content in as_list(body.get("contents")) for message in _content(as_object(content))],
        tuple(_tool(one) for one in declared),
        "".join(
            as_text(as_object(part).get("text"))
            for part in as_list(as_object(body.get("systemInstruction")).get("parts"))
        ),
        output_schema=as_object(config.get("responseJsonSchema")) or as_object(config.get("responseSchema")) or None,
    )


def _content(content: Json) -> Iterator[Message]:
    parts = [as_object(part) for part in as_list(content.get("parts"))]
    results = [as_object(part.get("functionResponse")) for part in parts if "functionResponse" in part]
    if results:
        yield ToolMessage(
            tuple(ToolResult("", as_text(one.get("name")), _json(one.get("response"))) for one in results)
        )
        media = (_gemini_part(as_object(part)) for one in results for part in as_list(one.get("parts")))
        yield from _media(part for part in media if isinstance(part, Blob))
        return
    read = tuple(_gemini_part(part) for part in parts)
    if content.get("role") == "model":
        yield AssistantMessage(read)
    else:
        yield UserMessage(tuple(part for part in read if isinstance(part, Text | Blob)))


def _gemini_part(part: Json) -> AssistantPart:
    signature = as_text(part.get("thoughtSignature")) or None
    if "functionCall" in part:
        call = as_object(part["functionCall"])
        return ToolCall("", as_text(call.get("name")), as_object(call.get("args")), signature)
    if "inlineData" in part:
        return _blob(as_object(part["inlineData"]).get("mimeType"), as_object(part["inlineData"]).get("data"))
    if "fileData" in part:
        return Blob(as_text(as_object(part["fileData"]).get("mimeType")), b"")
    if "text" in part:
        return Thinking(part["text"], signature) if part.get("thought") else Text(part["text"], signature)
    return Foreign("google", part)


def _chat(message: Json) -> Message:
    role, content = message.get("role"), message.get("content")
    if role == "tool":
        return ToolMessage((ToolResult(as_text(message.get("tool_call_id")), "", _texts(content)),))
    if role == "assistant":
        calls = [as_object(one) for one in as_list(message.get("tool_calls"))]
        read = [_function_call(one, as_object(one.get("function"))) for one in calls]
        return AssistantMessage((*([Text(_texts(content))] if content else []), *read))
    return UserMessage(tuple(_openai_parts(content)))


def _function_call(outer: Json, function: Json) -> ToolCall:
    text = as_text(function.get("arguments"))
    try:
        arguments = as_object(msgspec.json.decode(text)) if text else {}
    except msgspec.DecodeError:
        arguments = {"malformed": text}
    return ToolCall(as_text(outer.get("id")), as_text(function.get("name")), arguments)


def _response_item(item: Json) -> Iterator[Message]:
    match item.get("type", "message"):
        case "function_call":
            yield AssistantMessage((_function_call(item, item),))
        case "function_call_output":
            output = item.get("output")
            texts = [part.text for part in _openai_parts(output) if isinstance(part, Text)]
            yield ToolMessage((ToolResult(as_text(item.get("call_id")), "", "".join(texts)),))
            yield from _media(part for part in _openai_parts(output) if isinstance(part, Blob))
        case "message" if item.get("role") == "assistant":
            yield AssistantMessage((Text(_texts(item.get("content"))),))
        case "message":
            yield UserMessage(tuple(_openai_parts(item.get("content"))))
        case _:
            yield AssistantMessage((Foreign("openai", item),))


def _media(blobs: Iterable[Blob]) -> Iterator[Message]:
    """What came with a result; whoever says it, it takes as much, but a user's message would begin a new turn."""
    found = tuple(blobs)
    if found:
        yield AssistantMessage(found)


def _openai_parts(content: Any) -> Iterator[UserPart]:
    if isinstance(content, str):
        yield Text(content)
    for part in map(as_object, as_list(content)):
        if as_text(part.get("text")):
            yield Text(part["text"])
            continue
        inner = next((part[key] for key in ("file", "image_url", "document_url", "video_url") if key in part), part)
        inner = as_object(inner) or {"url": inner}
        url = next(
            (as_text(inner[key]) for key in ("file_data", "url", "image_url", "document_url") if inner.get(key)), ""
        )
        head, _, data = url.partition(";base64,")
        kind = head.removeprefix("data:") if data else ("image/png" if "image" in as_text(part.get("type")) else "")
        yield _blob(kind or "application/pdf", data)


def _anthropic(message: Json) -> Iterator[Message]:
    content = message.get("content")
    blocks = (
        [{"type": "text", "text": content}]
        if isinstance(content, str)
        else [as_object(one) for one in as_list(content)]
    )
    results = [block for block in blocks if block.get("type") == "tool_result"]
    if not results:
        parts = tuple(_block(block) for block in blocks)
        if message.get("role") == "assistant":
            yield AssistantMessage(parts)
        else:
            yield UserMessage(tuple(part for part in parts if isinstance(part, Text | Blob)))
        return
    inner = [(one, [as_object(part) for part in as_list(one.get("content"))]) for one in results]
    yield ToolMessage(tuple(ToolResult(as_text(one.get("tool_use_id")), "", _said(one, parts)) for one, parts in inner))
    beside = [block for block in blocks if block.get("type") != "tool_result"]
    read = [_block(part) for part in (*(part for _, parts in inner for part in parts), *beside)]
    yield from _media(part for part in read if isinstance(part, Blob))


def _said(result: Json, parts: Sequence[Json]) -> str:
    content = result.get("content")
    return content if isinstance(content, str) else "".join(as_text(part.get("text")) for part in parts)


def _block(block: Json) -> AssistantPart:
    match block.get("type"):
        case "text":
            return Text(as_text(block.get("text")))
        case "thinking":
            return Thinking(as_text(block.get("thinking")), as_text(block.get("signature")) or None)
        case "tool_use":
            return ToolCall(as_text(block.get("id")), as_text(block.get("name")), as_object(block.get("input")))
        case "image" | "document":
            source = as_object(block.get("source"))
            if source.get("type") == "text":
                return Text(as_text(source.get("data")))
            kind = as_text(source.get("media_type")) or ("image/png" if block["type"] == "image" else "application/pdf")
            return _blob(kind, source.get("data"))
        case _:
            return Foreign("anthropic", block)


def _tools(body: Json) -> tuple[ToolSchema, ...]:
    tools = [as_object(tool) for tool in _listed(body.get("tools"))]
    return tuple(_tool(as_object(tool.get("function")) or tool) for tool in tools if not tool.get("defer_loading"))


def _tool(tool: Json) -> ToolSchema:
    keys = ("parameters", "parametersJsonSchema", "input_schema")
    parameters = next((as_object(tool[key]) for key in keys if tool.get(key)), Json())
    return ToolSchema(as_text(tool.get("name")), as_text(tool.get("description")), as_object(parameters))


def _schema(body: Json) -> Json | None:
    for name in ("response_format", "text", "output_config"):
        outer = as_object(body.get(name))
        inner = as_object(outer.get("format")) or outer
        schema = as_object(as_object(inner.get("json_schema")).get("schema")) or as_object(inner.get("schema"))
        if schema:
            return schema
    return None


def _texts(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = [as_object(part) for part in as_list(content)]
    return "".join(as_text(part.get("text")) or ("" if "text" in part else _json(part)) for part in parts)


def _blob(kind: Any, data: Any) -> Blob:
    text = as_text(data).replace("-", "+").replace("_", "/")
    try:
        return Blob(as_text(kind), base64.b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError):
        return Blob(as_text(kind), text.encode())


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _listed(value: Any) -> list[Any]:
    return [value] if isinstance(value, dict) else as_list(value)


def _camel(value: Any) -> Any:
    """The names of the protocol buffer as those of its JSON; arguments and schemas are left as they are."""
    if isinstance(value, list):
        return [_camel(one) for one in as_list(value)]
    if not isinstance(value, dict):
        return value
    kept = {"args", "response", "parametersJsonSchema", "parameters", "responseJsonSchema", "responseSchema"}
    return {camel(key): one if camel(key) in kept else _camel(one) for key, one in as_object(value).items()}
