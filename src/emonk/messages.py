"""What a conversation is made of: messages of parts, in no provider's dialect.

Parts keep the order in which the model produced them, and what only their provider
understands (signatures, its own part types), so that they can be sent back unchanged. Nothing here refers to what holds
it, so the garbage collector need not look (`gc=False`, as in `events` and `records`).
"""

from collections.abc import Iterable
from typing import Any

import msgspec

Arguments = dict[str, Any]


class Text(msgspec.Struct, frozen=True, gc=False, tag="text", tag_field="type", omit_defaults=True):
    """Words. `signature` is the provider's opaque proof of thought for this part."""

    text: str
    signature: str | None = None


class Thinking(msgspec.Struct, frozen=True, gc=False, tag="thinking", tag_field="type", omit_defaults=True):
    """The model's summary of its own reasoning; never shown as the answer."""

    text: str
    signature: str | None = None


class Blob(msgspec.Struct, frozen=True, gc=False, tag="blob", tag_field="type", omit_defaults=True):
    """Bytes of a media type, such as an image; base64 in JSON."""

    mime_type: str
    data: bytes
    signature: str | None = None


class ToolCall(msgspec.Struct, frozen=True, gc=False, tag="tool_call", tag_field="type", omit_defaults=True):
    """A request of the model to run a tool.

    `malformed` holds the arguments as they came when they are no JSON object; `arguments` is empty then.
    """

    id: str
    name: str
    arguments: Arguments = {}
    signature: str | None = None
    malformed: str | None = None


class Foreign(msgspec.Struct, frozen=True, gc=False, tag="foreign", tag_field="type"):
    """A part that only the named provider understands, kept as it came."""

    provider: str
    data: dict[str, Any]


class ToolResult(msgspec.Struct, frozen=True, gc=False, tag="tool_result", tag_field="type", omit_defaults=True):
    """What a tool call came to; `error` is the code of the error that ended it, if one did."""

    call_id: str
    name: str
    content: str
    error: str | None = None


UserPart = Text | Blob
AssistantPart = Text | Thinking | Blob | ToolCall | Foreign


class UserMessage(msgspec.Struct, frozen=True, gc=False, tag="user", tag_field="role"):
    """Said by a person or by the caller on their behalf."""

    parts: tuple[UserPart, ...]

    @property
    def text(self) -> str:
        return _text(self.parts)


class AssistantMessage(msgspec.Struct, frozen=True, gc=False, tag="assistant", tag_field="role", omit_defaults=True):
    """Said by the model.

    `provider` names the wire format that its signatures belong to (`gemini`, `openai`, `anthropic`, ...): no other
    adapter sends them. Empty where nobody says, as in logs from before there was more than Gemini. `model` is the name
    of the model where its provider takes thinking back for that one only.
    """

    parts: tuple[AssistantPart, ...]
    provider: str = ""
    model: str = ""

    @property
    def text(self) -> str:
        return _text(self.parts)

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        return tuple([part for part in self.parts if isinstance(part, ToolCall)])


class ToolMessage(msgspec.Struct, frozen=True, gc=False, tag="tool", tag_field="role"):
    """The results of all calls of one step, in the order of the calls."""

    results: tuple[ToolResult, ...]


Message = UserMessage | AssistantMessage | ToolMessage


def user(content: str | Iterable[UserPart]) -> UserMessage:
    """A user message of plain text or of parts."""
    return UserMessage(_parts(content))


def assistant(content: str | Iterable[AssistantPart] = (), *, tool_calls: Iterable[ToolCall] = ()) -> AssistantMessage:
    """A model message of plain text or of parts, followed by tool calls."""
    return AssistantMessage((*_parts(content), *tool_calls))


def tool_result(call: ToolCall | str, content: str, *, name: str = "", error: str | None = None) -> ToolMessage:
    """The result of one tool call, named by the call itself or by its id (then give `name` too)."""
    if isinstance(call, ToolCall):
        return ToolMessage((ToolResult(call.id, call.name, content, error),))
    return ToolMessage((ToolResult(call, name, content, error),))


def _parts(content: Any) -> tuple[Any, ...]:
    if isinstance(content, str):
        return (Text(content),) if content else ()
    return tuple(content)


def _text(parts: Iterable[object]) -> str:
    return "".join([part.text for part in parts if isinstance(part, Text)])
