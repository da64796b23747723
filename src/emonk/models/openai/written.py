"""What requests to both of OpenAI's APIs have in common."""

import re
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any

import msgspec

from emonk.errors import InvalidConfig
from emonk.messages import AssistantMessage, Blob, Text, ToolCall, UserMessage
from emonk.models.media import bare_type, note_of
from emonk.models.openai.endpoint import reasons
from emonk.models.openai.media import IMAGES, kind_of
from emonk.models.openai.schema import strict_fault
from emonk.models.protocol import ModelRequest, ReasoningEffort, ToolLike

Json = dict[str, Any]

NO_PARAMETERS: Json = {"type": "object", "properties": {}}

_EFFORTS = (
    (re.compile(r"gpt-5-pro"), ("high",)),
    (re.compile(r".*codex|o\d"), ("low", "medium", "high")),
    (re.compile(r"gpt-5(?!\.)"), ("minimal", "low", "medium", "high")),
)
"""The words that models take which cannot do without reasoning; the first that matches counts.

https://developers.openai.com/api/docs/guides/reasoning and the reference of `reasoning.effort`: none before GPT-5.1
can, and `gpt-5-pro` knows `high` alone; of Codex models, what OpenAI answers to other words (openai/codex issue 6647).
"""

encode = msgspec.json.Encoder().encode


class Written(msgspec.Struct, frozen=True):
    """A request as JSON, and the tools whose names had to be changed in it: as they were, by what was sent."""

    body: bytes
    names: Mapping[str, str] = {}


def encode_body(body: Json) -> bytes:
    """The JSON of a request.

    Raises:
        InvalidConfig: `unencodable_request`: something in it has no JSON form.
    """
    try:
        return encode(body)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise unencodable(error) from error


def unencodable(error: Exception) -> InvalidConfig:
    """What to raise for a request without a JSON form."""
    return InvalidConfig(f"the request has no JSON form: {error}", code="unencodable_request")


def arguments_of(call: ToolCall, *, own: bool) -> str:
    """The arguments of a call as the text that they are sent as.

    What the model wrote goes back to OpenAI as it was, be it no JSON. Other servers read it, and would refuse the whole
    conversation for it.
    """
    if call.malformed is None:
        return encode(call.arguments).decode()
    return call.malformed if own else encode({"unreadable": call.malformed}).decode()


def effort_of(name: str, effort: ReasoningEffort | None, *, own: bool) -> str | None:
    """The word for an effort that a model takes, the least of them for none; None where OpenAI's would take none."""
    if effort is None or (own and not reasons(name)):
        return None
    words = next((words for pattern, words in _EFFORTS if pattern.match(name)), ()) if own else ()
    return effort if not words or effort in words else words[0]


def is_strict(schema: Json) -> bool:
    """Whether a schema can be held to letter by letter."""
    return not strict_fault(schema)


def cache_key(request: ModelRequest, tools: Iterable[ToolLike]) -> str:
    """The same for every request of one conversation: OpenAI sends those with one key to one place, and its cache."""
    digest = blake2b(request.instructions.encode(errors="surrogatepass"), digest_size=16)
    for tool in tools:
        digest.update(tool.name.encode(errors="surrogatepass"))
    first = request.messages[0] if request.messages else None
    if isinstance(first, UserMessage):
        digest.update(first.text.encode(errors="surrogatepass"))
    return f"emonk-{digest.hexdigest()}"


def images_of(message: AssistantMessage) -> list[Blob]:
    """Images that a model made, which only a user's message can hold."""
    return [part for part in message.parts if isinstance(part, Blob) and part.data and bare_type(part) in IMAGES]


def user_parts(message: UserMessage, *, strict: bool, sounds: bool) -> list[Text | Blob]:
    """What a user said, without empty text; of what the API does not take, a note unless `strict`.

    Raises:
        InvalidConfig: it does not take a part.
    """
    parts: list[Text | Blob] = []
    for part in message.parts:
        if isinstance(part, Blob):
            try:
                kind_of(part, sounds=sounds)
            except InvalidConfig:
                if strict:
                    raise
                parts.append(note_of(part))
                continue
        elif not part.text:
            continue
        parts.append(part)
    return parts
