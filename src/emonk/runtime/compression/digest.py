"""What a conversation came to, told without a model: extracts, always the same for the same conversation."""

import re
from collections.abc import Iterable, Iterator, Sequence

from emonk.messages import AssistantMessage, Message, ToolCall, ToolMessage, UserMessage
from emonk.runtime.compression.extracts import merged, read, written

WORDS = 400
"""At most; a model has 500."""

_LINE = 160
"""Characters of one line."""

_TEXT = 20_000
"""Characters of one message that are looked at."""

# Patterns are compiled when they are first used: few conversations come to that.
_SENTENCE = r"(?<=[.!?])\s+|\n+"
_DECISION = r"(?i)\b(decided|decision|agreed|will|must|should|prefer|always|never|instead|chosen|approved)\b"
_IDENTIFIER = (
    r"https?://\S+"
    r"|[\w.~-]*/[\w./-]*\w"  # a path
    r"|[A-Z][A-Z0-9]+-\d+|#\d+"  # a ticket
    r"|(?=\D*\d)[0-9a-f]{7,40}"  # a revision
    r"|\d{4}-\d\d-\d\d"
)
_AROUND = "\"'`()[]{}<>,;:.!?*"


def digest(messages: Sequence[Message], earlier: str, *, words: int = WORDS, characters: int = 4000) -> str:
    """Extracts of a conversation: requests, decisions, outcomes of tools, identifiers, open questions.

    Args:
        messages: what is to be summarised, without the earlier summary.
        earlier: that summary; the sections of extracts are merged with the new ones, a model's text is kept in part.
        words: at most so many.
        characters: at most so many.
    """
    said = [message for message in messages if not (isinstance(message, AssistantMessage) and _by_rules(message.text))]
    found = {
        "Requests": list(_requests(said)),
        "Decisions": list(_decisions(said)),
        "Tools": list(_outcomes(messages)),
        "Named": list(_named(said)),
        "Open questions": list(_questions(messages)),
    }
    older = read(earlier)
    older["Decisions"] = [line for line in older.get("Decisions", []) if not _by_rules(line)]
    return written(merged(older, found), words=words, characters=characters)


def _by_rules(text: str) -> bool:
    """Whether the offline planner said it: it says so, and it decides nothing."""
    from emonk.models.offline import UNCONFIGURED, UNREACHABLE  # noqa: PLC0415 - only when it is needed

    told = (UNCONFIGURED.why, UNREACHABLE.why)
    return any(line.lstrip("*").startswith(told) for line in text.splitlines())


def _requests(messages: Iterable[Message]) -> Iterator[str]:
    return (_line(message.text) for message in messages if isinstance(message, UserMessage) and message.text.strip())


def _decisions(messages: Iterable[Message]) -> Iterator[str]:
    """What sounds like one, and else how the assistant began."""
    for message in messages:
        if isinstance(message, ToolMessage):
            continue
        sentences = _sentences(message.text)
        found = [one for one in sentences if re.search(_DECISION, one)][:2]
        if not found and isinstance(message, AssistantMessage):
            found = sentences[:1]
        yield from map(_line, found)


def _outcomes(messages: Iterable[Message]) -> Iterator[str]:
    calls: dict[str, ToolCall] = {}
    for message in messages:
        if isinstance(message, AssistantMessage):
            calls.update((call.id, call) for call in message.tool_calls)
        elif isinstance(message, ToolMessage):
            for result in message.results:
                call = calls.get(result.call_id)
                given = ", ".join(f"{key}={value!r}" for key, value in call.arguments.items()) if call else ""
                failed = f" failed ({result.error})" if result.error else ""
                yield _line(f"{result.name}({given[:60]}){failed}: {result.content[:200]}")


def _questions(messages: Sequence[Message]) -> Iterator[str]:
    """Those that were asked last; earlier ones have likely been answered."""
    for message in messages[-4:]:
        if not isinstance(message, ToolMessage) and not _by_rules(message.text):
            yield from (_line(one) for one in _sentences(message.text) if one.endswith("?"))


def _named(messages: Iterable[Message]) -> Iterator[str]:
    for message in messages:
        texts = [one.content for one in message.results] if isinstance(message, ToolMessage) else [message.text]
        for text in texts:
            words = [word.strip(_AROUND) for word in set(text[:_TEXT].split()) if 3 < len(word) < 120]
            yield from sorted(word for word in words if re.fullmatch(_IDENTIFIER, word))


def _sentences(text: str) -> list[str]:
    return [one for one in re.split(_SENTENCE, text[:_TEXT].strip()) if one.strip()]


def _line(text: str) -> str:
    text = " ".join(text[: 4 * _LINE].split())
    return text if len(text) <= _LINE else f"{text[: _LINE - 1]}…"
