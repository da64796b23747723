"""What a conversation came to, told without a model: extracts, always the same for the same conversation."""

import re
from collections.abc import Iterable, Iterator, Sequence

from emonk.messages import AssistantMessage, Message, ToolCall, ToolMessage, UserMessage

WORDS = 400
"""At most; a model has 500."""

_SHARE = 3
"""An extract of an earlier summary takes at most one part in so many."""

_HEADER = "(Extracts, not written by a model.)"
_LINE = 160
"""Characters of one line."""

_TEXT = 20_000
"""Characters of one message that are looked at."""

_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_DECISION = re.compile(
    r"\b(decided|decision|agreed|will|must|should|prefer|always|never|instead|chosen|approved)\b", re.IGNORECASE
)
_IDENTIFIER = re.compile(
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
        earlier: that summary, which is folded in; empty without one.
        words: at most so many.
        characters: at most so many.
    """
    sections = [
        ("Earlier", _clipped(earlier.removeprefix(_HEADER), words // _SHARE, characters // _SHARE).splitlines()),
        ("Requests", _last(_requests(messages), 12)),
        ("Decisions", _last(_decisions(messages), 8)),
        ("Tools", _last(_outcomes(messages), 12)),
        ("Named", _named(messages)),
        ("Open questions", _last(_questions(messages), 4)),
    ]
    lines = [_HEADER]
    for title, found in sections:
        if found:
            lines += [f"{title}:", *(line if title == "Earlier" else f"- {line}" for line in found)]
    return _clipped("\n".join(lines), words, characters)


def _requests(messages: Iterable[Message]) -> Iterator[str]:
    return (_line(message.text) for message in messages if isinstance(message, UserMessage) and message.text.strip())


def _decisions(messages: Iterable[Message]) -> Iterator[str]:
    """What sounds like one, and else how the assistant began."""
    for message in messages:
        if isinstance(message, ToolMessage):
            continue
        sentences = _sentences(message.text)
        found = [one for one in sentences if _DECISION.search(one)][:2]
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
        if not isinstance(message, ToolMessage):
            yield from (_line(one) for one in _sentences(message.text) if one.endswith("?"))


def _named(messages: Iterable[Message]) -> list[str]:
    found: dict[str, None] = {}
    for message in messages:
        texts = [one.content for one in message.results] if isinstance(message, ToolMessage) else [message.text]
        for text in texts:
            words = [word.strip(_AROUND) for word in set(text[:_TEXT].split()) if 3 < len(word) < 120]
            found.update(dict.fromkeys(sorted(word for word in words if _IDENTIFIER.fullmatch(word))))
    return [_clipped(", ".join(list(found)[-30:]), 60, 800)] if found else []


def _sentences(text: str) -> list[str]:
    return [one for one in _SENTENCE.split(text[:_TEXT].strip()) if one.strip()]


def _last(lines: Iterable[str], count: int) -> list[str]:
    return list(dict.fromkeys(line for line in lines if line))[-count:]


def _line(text: str) -> str:
    text = " ".join(text[: 4 * _LINE].split())
    return text if len(text) <= _LINE else f"{text[: _LINE - 1]}…"


def _clipped(text: str, words: int, characters: int) -> str:
    """The text up to so many words and characters, at the end of a word."""
    text = text.strip()
    if len(text) <= characters and len(text.split()) <= words:
        return text
    end = 0
    for count, found in enumerate(re.finditer(r"\S+", text), start=1):
        if count > words or found.end() > characters - 1:
            break
        end = found.end()
    return f"{text[:end] or text[: max(0, characters - 1)]}…"
