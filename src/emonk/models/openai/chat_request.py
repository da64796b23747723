"""Requests to chat completions, written as JSON. https://developers.openai.com/api/reference/resources/chat."""

from collections.abc import Sequence
from typing import ClassVar

from emonk.messages import AssistantMessage, Blob, Foreign, Message, Text, Thinking, ToolCall, ToolMessage, UserMessage
from emonk.models.media import last_user
from emonk.models.openai.endpoint import Endpoint
from emonk.models.openai.identifiers import CallIds, tool_name
from emonk.models.openai.media import data_url, kind_of, sound_format, text_of
from emonk.models.openai.writer import RequestWriter
from emonk.models.openai.written import NO_PARAMETERS, Json, arguments_of, images_of, is_strict, user_parts
from emonk.models.protocol import ModelRequest, ToolLike

REASONING_FIELDS = ("reasoning_content", "reasoning")
"""Where compatible servers put what a model thought; the first is DeepSeek's and older vLLM's."""

DETAILS = "reasoning_details"
"""OpenRouter's, which holds signatures and what is encrypted: https://openrouter.ai/docs/use-cases/reasoning-tokens."""


class ChatWriter(RequestWriter):
    """Requests to chat completions."""

    streaming: ClassVar[Json] = {"stream": True, "stream_options": {"include_usage": True}}

    def __init__(self, name: str, endpoint: Endpoint) -> None:
        super().__init__(name, endpoint)
        self._marks_cache = endpoint.marks_cache(name)

    def conversation(self, request: ModelRequest) -> Json:
        messages = write_messages(request.messages, self._endpoint)
        if request.instructions:
            messages.insert(0, {"role": "system", "content": request.instructions})
        return {"model": self._name, "messages": messages}

    def declaration(self, tool: ToolLike) -> Json:
        function: Json = {"name": tool_name(tool.name), "description": tool.description}
        function["parameters"] = tool.parameters or NO_PARAMETERS
        if self._endpoint.own and is_strict(tool.parameters):
            function["strict"] = True
        return {"type": "function", "function": function}

    def choice(self, tool: str) -> Json:
        return {"type": "function", "function": {"name": tool}}

    def limit(self, tokens: int) -> Json:
        # Compatible servers know the older name; OpenAI's reasoning models, wherever they are, only the newer.
        modern = self._endpoint.own or (self._thinks and "/" not in self._name)
        return {"max_completion_tokens" if modern else "max_tokens": tokens}

    def effort(self, word: str) -> Json:
        return {"reasoning_effort": word}

    def form(self, described: Json) -> Json:
        return {"response_format": {"type": "json_schema", "json_schema": described}}

    def cache(self, request: ModelRequest) -> Json:
        return {"cache_control": {"type": "ephemeral"}} if self._marks_cache else super().cache(request)


def write_messages(messages: Sequence[Message], endpoint: Endpoint) -> list[Json]:
    """Messages as chat completions takes them.

    Neighbours of one role are one message, as the templates of many open models want it; every result is a message of
    its own, right after the calls. A message without anything for OpenAI is left out. Images that a model made go with
    the user's next message, since only a user's can hold any.
    """
    ids = CallIds(endpoint.provider, strict=endpoint.own)
    wire: list[Json] = []
    made: list[Blob] = []
    last = last_user(messages)
    for index, message in enumerate(messages):
        match message:
            case UserMessage():
                _add_user(wire, [*made, *user_parts(message, strict=index == last, sounds=True)])
                made = []
            case AssistantMessage():
                made += images_of(message)
                ids.of_calls(message)
                _add_assistant(wire, _assistant(message, endpoint, ids, after_results=_ends_in_results(wire)))
            case ToolMessage(results):
                wire += [
                    {"role": "tool", "tool_call_id": ids.of(result.call_id), "content": result.content}
                    for result in results
                ]
    if made:
        _add_user(wire, made)
    return wire


def _ends_in_results(wire: Sequence[Json]) -> bool:
    return bool(wire) and wire[-1]["role"] == "tool"


def _add_user(wire: list[Json], parts: Sequence[Text | Blob]) -> None:
    if not parts:
        return
    content = [_user_part(part) for part in parts]
    before = wire[-1] if wire else None
    if before is not None and before["role"] == "user":
        held = before["content"]
        content = [*([{"type": "text", "text": held}] if isinstance(held, str) else held), *content]
        wire.pop()
    only_text = all(part["type"] == "text" for part in content)
    wire.append({"role": "user", "content": "\n\n".join([each["text"] for each in content]) if only_text else content})


def _user_part(part: Text | Blob) -> Json:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    match kind_of(part, sounds=True):
        case "image":
            return {"type": "image_url", "image_url": {"url": data_url(part)}}
        case "pdf":
            return {"type": "file", "file": {"filename": "file.pdf", "file_data": data_url(part)}}
        case "sound":
            sound = data_url(part).partition(",")[2]
            return {"type": "input_audio", "input_audio": {"data": sound, "format": sound_format(part)}}
        case _:
            return {"type": "text", "text": text_of(part)}


def _add_assistant(wire: list[Json], message: Json) -> None:
    before = wire[-1] if wire else None
    if not message.get("content") and "tool_calls" not in message:
        return
    if before is None or before["role"] != "assistant":
        wire.append(message)
        return
    content = [text for text in (before.get("content"), message.get("content")) if text]
    calls = [*before.get("tool_calls", ()), *message.get("tool_calls", ())]
    wire[-1] = {**before, **message, "content": "\n\n".join(content) or None}
    if calls:
        wire[-1]["tool_calls"] = calls


def _assistant(message: AssistantMessage, endpoint: Endpoint, ids: CallIds, *, after_results: bool) -> Json:
    text = ""
    calls: list[Json] = []
    for part in message.parts:
        match part:
            case Text(said):
                text += said
            case ToolCall(identifier, name):
                function = {"name": tool_name(name), "arguments": arguments_of(part, own=endpoint.own)}
                calls.append({"id": ids.of(identifier), "type": "function", "function": function})
            case Thinking() | Foreign() | Blob():
                continue
    wire: Json = {"role": "assistant", "content": text or None}
    if message.provider == endpoint.provider and not endpoint.own:
        wire.update(_reasoning(message, plain=bool(calls) or after_results))
    if calls:
        wire["tool_calls"] = calls
        if endpoint.needs_reasoning and not wire.keys() & set(REASONING_FIELDS):
            wire["reasoning_content"] = ""
    return wire


def _reasoning(message: AssistantMessage, *, plain: bool) -> Json:
    """What a compatible server gave of the model's reasoning, in the field that it came in.

    OpenRouter's details go back whole and always. Plain reasoning goes back where tools are used, as DeepSeek and
    others demand; elsewhere it does nothing, and the first of those models refused it.
    """
    for part in message.parts:
        if isinstance(part, Foreign) and isinstance(part.data.get(DETAILS), list):
            return {DETAILS: part.data[DETAILS]}
    wire: Json = {}
    if plain:
        for part in message.parts:
            if isinstance(part, Thinking) and part.signature in REASONING_FIELDS:
                wire[part.signature] = wire.get(part.signature, "") + part.text
    return wire
