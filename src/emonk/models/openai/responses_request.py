"""Requests to the responses API, written as JSON. https://developers.openai.com/api/reference/resources/responses.

Nothing is kept at the server (`store` is false): the conversation goes with every request, reasoning encrypted.
"""

from collections.abc import Iterator, Sequence
from typing import ClassVar

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
    UserMessage,
)
from emonk.models.fields import as_list, as_text
from emonk.models.media import last_user
from emonk.models.openai.endpoint import Endpoint
from emonk.models.openai.identifiers import CallIds, tool_name
from emonk.models.openai.media import data_url, kind_of, text_of
from emonk.models.openai.writer import RequestWriter
from emonk.models.openai.written import NO_PARAMETERS, Json, arguments_of, images_of, is_strict, user_parts
from emonk.models.protocol import ModelRequest, ToolLike

LEAST_OUTPUT = 16
"""Tokens below which OpenAI takes no `max_output_tokens`."""

PHASES = frozenset({"commentary", "final_answer"})
"""What a message of the model can be part of, which it wants to be told again."""

_ENCRYPTED = "reasoning.encrypted_content"


class ResponsesWriter(RequestWriter):
    """Requests to the responses API."""

    streaming: ClassVar[Json] = {"stream": True}

    def conversation(self, request: ModelRequest) -> Json:
        items = write_input(request.messages, self._endpoint, self._name)
        body: Json = {"model": self._name, "input": items, "store": False}
        if request.instructions:
            body["instructions"] = request.instructions
        if self._thinks:
            body["include"] = [_ENCRYPTED]
        return body

    def declaration(self, tool: ToolLike) -> Json:
        return {
            "type": "function",
            "name": tool_name(tool.name),
            "description": tool.description,
            "parameters": tool.parameters or NO_PARAMETERS,
            "strict": self._endpoint.own and is_strict(tool.parameters),
        }

    def choice(self, tool: str) -> Json:
        return {"type": "function", "name": tool}

    def limit(self, tokens: int) -> Json:
        return {"max_output_tokens": max(tokens, LEAST_OUTPUT) if self._endpoint.own else tokens}

    def effort(self, word: str) -> Json:
        return {"reasoning": {"effort": word}}

    def form(self, described: Json) -> Json:
        return {"text": {"format": {"type": "json_schema", **described}}}


def write_input(messages: Sequence[Message], endpoint: Endpoint, model: str = "") -> list[Json]:
    """Messages as items: text, calls, their results, and reasoning that this model of this server gave.

    Images that a model made go with the user's next message, since only a user's can hold any.
    """
    ids = CallIds(endpoint.provider, strict=False)
    items: list[Json] = []
    made: list[Blob] = []
    last = last_user(messages)
    for index, message in enumerate(messages):
        match message:
            case UserMessage():
                _add_user(items, [*made, *user_parts(message, strict=index == last, sounds=False)])
                made = []
            case AssistantMessage():
                made += images_of(message)
                ids.of_calls(message)
                items += _assistant(message, endpoint, ids, thinks=message.model in {"", model})
            case ToolMessage(results):
                items += [
                    {"type": "function_call_output", "call_id": ids.of(result.call_id), "output": result.content}
                    for result in results
                ]
    _add_user(items, made)
    return items


def _add_user(items: list[Json], parts: Sequence[Text | Blob]) -> None:
    if not parts:
        return
    content = [_user_part(part) for part in parts]
    only_text = len(content) == 1 and content[0]["type"] == "input_text"
    items.append({"role": "user", "content": content[0]["text"] if only_text else content})


def _user_part(part: Text | Blob) -> Json:
    if isinstance(part, Text):
        return {"type": "input_text", "text": part.text}
    match kind_of(part, sounds=False):
        case "image":
            return {"type": "input_image", "detail": "auto", "image_url": data_url(part)}
        case "pdf":
            return {"type": "input_file", "filename": "file.pdf", "file_data": data_url(part)}
        case _:
            return {"type": "input_text", "text": text_of(part)}


def _assistant(message: AssistantMessage, endpoint: Endpoint, ids: CallIds, *, thinks: bool) -> list[Json]:
    """The items of a model's message, in order; its reasoning if the model that is asked can read it, its own.

    The ids that the server gave to them go back only beside its reasoning, since it holds each against the other.
    """
    own = message.provider == endpoint.provider
    reasoning = set(_reasoning(message.parts, endpoint)) if own and thinks else set[int]()
    items: list[Json] = []
    said: list[str] = []
    last: str | None = None
    for index, part in enumerate(message.parts):
        match part:
            case Text(text, signature):
                signature = signature if own else None
                if said and signature != last:
                    items.append(_said(said, last, kept=bool(reasoning)))
                    said = []
                last = signature
                if text:
                    said.append(text)
                continue
            case ToolCall():
                item = _call(part, endpoint, ids, kept=bool(reasoning))
            case Foreign(data=data) if index in reasoning:
                item = _sent_back(data)
            case Thinking() | Foreign() | Blob():
                continue
        if said:
            items.append(_said(said, last, kept=bool(reasoning)))
            said = []
        items.append(item)
    if said:
        items.append(_said(said, last, kept=bool(reasoning)))
    return items


def _reasoning(parts: Sequence[AssistantPart], endpoint: Endpoint) -> Iterator[int]:
    """Which parts are reasoning that can be sent: the item that it led to must follow it."""
    led_to = False
    for index in range(len(parts) - 1, -1, -1):
        match parts[index]:
            case Text(text) if text:
                led_to = True
            case ToolCall():
                led_to = True
            case Foreign(provider, data) if provider == endpoint.provider and data.get("type") == "reasoning":
                sent = led_to and (as_text(data.get("encrypted_content")) or not endpoint.own)
                led_to = bool(sent)
                if sent and as_text(data.get("id")):
                    yield index
            case Foreign():
                led_to = False
            case _:
                continue


def _sent_back(data: Json) -> Json:
    item: Json = {"type": "reasoning", "id": data["id"], "summary": as_list(data.get("summary"))}
    if content := as_list(data.get("content")):
        item["content"] = content
    if encrypted := as_text(data.get("encrypted_content")):
        item["encrypted_content"] = encrypted
    return item


def _said(texts: Sequence[str], signature: str | None, *, kept: bool) -> Json:
    """A message of the model; its signature is the id of the item, and the phase that it belongs to."""
    text = "".join(texts)
    identifier, _, phase = (signature or "").partition(" ")
    item: Json = {"role": "assistant", "content": text}
    if kept and identifier:
        content: list[Json] = [{"type": "output_text", "text": text, "annotations": []}]
        item = {"type": "message", "id": identifier, "role": "assistant", "status": "completed", "content": content}
    if phase in PHASES:
        item["phase"] = phase
    return item


def _call(call: ToolCall, endpoint: Endpoint, ids: CallIds, *, kept: bool) -> Json:
    item: Json = {
        "type": "function_call",
        "call_id": ids.of(call.id),
        "name": tool_name(call.name),
        "arguments": arguments_of(call, own=endpoint.own),
    }
    if kept and call.signature:
        item["id"] = call.signature
    return item
