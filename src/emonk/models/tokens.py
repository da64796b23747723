"""How many tokens something takes, near enough to decide by, without asking anybody.

Text is counted by kinds of characters, a few microseconds a message. The weights were chosen by the reported usage of
recorded exchanges (`benchmarks/tokens.py` shows how well they do); where a provider has reported a conversation's size,
only what came after it is counted this way.
"""

import math
import re
import string
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from emonk.messages import (
    AssistantMessage,
    Blob,
    Foreign,
    Message,
    Text,
    Thinking,
    ToolCall,
    ToolMessage,
    ToolResult,
)
from emonk.models.protocol import ToolLike
from emonk.records import Usage

_LETTERS = string.ascii_letters.encode()
_DIGITS = string.digits.encode()
_SPACES = b" \t\r\n"
_PUNCTUATION = bytes(byte for byte in range(128) if byte not in _LETTERS + _DIGITS + _SPACES)
_LEAD_2 = bytes(range(0xC2, 0xE0))
_LEAD_3 = bytes(range(0xE0, 0xF0))
_LEAD_4 = bytes(range(0xF0, 0xF5))

THINKING_KEPT = 3
"""The first version of Gemini that is shown its own thoughts again."""

_OPAQUE = re.compile(r"[A-Za-z0-9+/=_-]{100,}")
"""What a provider encrypted or signed for itself: its length says nothing of what it takes."""

_encode = msgspec.json.Encoder(enc_hook=repr).encode


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """What a family of models makes of characters and of what stands around them, in tokens.

    Attributes:
        two: a character of two bytes in UTF-8, such as a Greek, Cyrillic, Arabic or accented letter; `three` is mostly
            Chinese, Japanese and Korean, `four` emoji.
        message: around a message; `call` around a tool call, `result` around its result, `tool` around a declaration.
        tools: once, when there are tools at all.
        schema: a declaration's JSON, as a share of what the same characters take elsewhere.
        image: one of middling size; `page` is a page of a PDF.
    """

    letter: float = 0.2
    digit: float = 0.5
    punctuation: float = 0.6
    space: float = 0.1
    two: float = 0.6
    three: float = 0.9
    four: float = 2.0
    message: float = 4.0
    call: float = 6.0
    result: float = 6.0
    tool: float = 8.0
    tools: float = 10.0
    schema: float = 0.6
    image: float = 600.0
    page: float = 600.0


MOST = 2.0
"""Tokens that a character takes at the most, in every family."""

UNKNOWN = Family()
_GEMINI = Family(
    digit=1.0, punctuation=0.5, message=0.5, call=3.0, result=0.0, tool=4.0, tools=0.0, image=258.0, page=258.0
)
FAMILIES = {
    "gemini": _GEMINI,
    "gemini-3": msgspec.structs.replace(_GEMINI, image=1090.0, page=1100.0),
    "vertex-3": msgspec.structs.replace(_GEMINI, image=1090.0, page=530.0),
    "openai": Family(digit=0.4, result=2.0, image=430.0, page=240.0),
    "anthropic": Family(
        letter=0.23, message=4.0, call=30.0, result=12.0, tool=30.0, tools=320.0, schema=0.9, image=400.0, page=1600.0
    ),
}
_BY_PROVIDER = {
    "gemini": "gemini",
    "vertex": "gemini",
    "openai": "openai",
    "openai-responses": "openai",
    "anthropic": "anthropic",
}
_ELSEWHERE = re.compile(r"openai(?:-responses)?:(?:.*/)?(claude|gemini)-")
"""Models of others behind a server that speaks OpenAI's API, such as OpenRouter's `anthropic/claude-sonnet-4.6`."""


def family_of(spec: str) -> Family:
    """The family of the model that `spec` names, such as `gemini:gemini-3.5-flash`."""
    name = _BY_PROVIDER.get(spec.partition(":")[0], "")
    if name == "openai" and (other := _ELSEWHERE.match(spec)):
        return FAMILIES["anthropic" if other[1] == "claude" else "gemini"]
    if name == "gemini" and _gemini_version(spec) >= THINKING_KEPT:
        name = "vertex-3" if spec.startswith("vertex") else "gemini-3"
    return FAMILIES.get(name, UNKNOWN)


_SHORT = 16
"""Tokens of an answer that hides nothing however little of it there is."""


@lru_cache(maxsize=256)
def keeps_thoughts(spec: str) -> bool:
    """Whether a model is shown what it thought earlier in the same turn, so that it counts as input again.

    As recorded: Gemini from version 3 on, at the Gemini API and not at Vertex AI, and OpenAI's reasoning models.
    """
    provider, _, name = spec.partition(":")
    if provider == "gemini":
        return _gemini_version(spec) >= THINKING_KEPT
    return provider in {"openai", "openai-responses"} and re.match(r"(o\d|gpt-([5-9]|\d\d))", name) is not None


def tokens_of_text(text: str, family: Family) -> float:
    """A piece of text by itself."""
    raw = text.encode(errors="replace")
    length = len(raw)
    letters = length - len(raw.translate(None, _LETTERS))
    spaces = length - len(raw.translate(None, _SPACES))
    digits = length - len(raw.translate(None, _DIGITS))
    tokens = family.letter * letters + family.space * spaces + family.digit * digits
    if length == len(text):
        return tokens + family.punctuation * (length - letters - spaces - digits)
    for weight, kind in (
        (family.punctuation, _PUNCTUATION),
        (family.two, _LEAD_2),
        (family.three, _LEAD_3),
        (family.four, _LEAD_4),
    ):
        tokens += weight * (length - len(raw.translate(None, kind)))
    return tokens


def tokens_of_message(message: Message, family: Family) -> int:
    """A message as a model is sent it."""
    parts: Sequence[object] = message.results if isinstance(message, ToolMessage) else message.parts
    return round(family.message + sum([_part(part, family) for part in parts]))


def bounds(message: Message, family: Family) -> tuple[int, float]:
    """The characters of a message, and what `tokens_of_message` does not exceed, for a fraction of its cost.

    The latter is infinite where it takes counting.
    """
    characters, most = 0, family.message + 1.0
    if isinstance(message, ToolMessage):
        for result in message.results:
            characters += len(result.content)
            most += family.result + MOST * len(result.name)
    else:
        for part in message.parts:
            if isinstance(part, (Text, Thinking)):
                characters += len(part.text)
            else:
                most = math.inf
    return characters, most + MOST * characters


def tokens_of_answer(message: AssistantMessage, usage: Usage, family: Family) -> int:
    """A model's answer when it is sent back: what it was reported to be, unless that hides unshown thoughts."""
    said = usage.output_tokens - usage.reasoning_tokens
    if 0 < said <= _SHORT:
        return round(said + family.message)
    counted = tokens_of_message(message, family)
    return round(said + family.message) if 0 < said <= 1.6 * counted + _SHORT else counted


def tokens_of_request(
    instructions: str, tools: Iterable[ToolLike], family: Family, output_schema: dict[str, Any] | None = None
) -> int:
    """What a request takes beside its messages."""
    tokens = family.message + tokens_of_text(instructions, family) if instructions else 0.0
    declared = [
        family.tool + family.schema * tokens_of_text(_declaration(tool), family)  # as every request repeats them
        for tool in tools
    ]
    if declared:
        tokens += family.tools + sum(declared)
    if output_schema is not None:
        tokens += family.schema * tokens_of_text(_json(output_schema), family)
    return round(tokens)


def _gemini_version(spec: str) -> int:
    version = re.search(r":gemini-(\d+)", spec)
    return int(version[1]) if version else 0


def _declaration(tool: ToolLike) -> str:
    return f"{tool.name} {tool.description} {_json(tool.parameters)}"


def _part(part: object, family: Family) -> float:
    match part:
        case Text(text) | Thinking(text):
            return tokens_of_text(text, family)
        case ToolCall(_, name, arguments, malformed=malformed):
            return family.call + tokens_of_text(name + (malformed or _json(arguments)), family)
        case ToolResult(_, name, content):
            return family.result + tokens_of_text(name, family) + tokens_of_text(content, family)
        case Blob(mime_type, data):
            return _media(mime_type, data, family)
        case Foreign(data=data):
            return tokens_of_text(_OPAQUE.sub("", _json(data)), family)
        case _:
            return 0.0


def _media(mime_type: str, data: bytes, family: Family) -> float:
    kind = mime_type.partition("/")[0]
    if kind == "image":
        return family.image
    if mime_type == "application/pdf":
        return family.page * max(1, len(re.findall(rb"/Type\s*/Page\b", data)))
    if kind == "text":
        return tokens_of_text(data.decode(errors="replace"), family)
    return 70.0 + len(data) / 1000  # sound and video: Gemini takes 32 tokens a second, and a second has about 32 KB


def _json(value: object) -> str:
    try:
        return _encode(value).decode()
    except (TypeError, ValueError, OverflowError, RecursionError):
        return repr(value)
