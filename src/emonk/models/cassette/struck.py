"""Bodies without secrets: these are struck out of the texts that a body says, not out of how it is written.

In written JSON a secret may be escaped, and what strikes by shape may take the backslash of a quote along.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, cast

import msgspec

from emonk.observe.redaction import STRUCK

Redact = Callable[[str], str]

UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)
"""What reading JSON raises when it is none."""

_LINES = re.compile(r"(\r\n|\n|\r)")
_LEAST_NUMBER = 10_000_000  # below it a number is no secret
_decode = msgspec.json.decode


def written_forms(secrets: Iterable[str]) -> list[str]:
    """Secrets, and how JSON writes them: pieces of JSON are struck where they cannot be read."""
    forms: dict[str, None] = {}
    for secret in secrets:
        for form in (secret, *(json.dumps(secret, ensure_ascii=plain)[1:-1] for plain in (False, True))):
            forms[form] = None
    return list(forms)


def strike(value: Any, redact: Redact) -> Any:
    """A JSON value without secrets in its strings and keys, nor in JSON that a string holds."""
    match value:
        case str():
            return _strike_text(value, redact)
        case list():
            return [strike(each, redact) for each in cast("list[Any]", value)]
        case dict():
            known = cast("dict[str, Any]", value)
            return {redact(key): strike(each, redact) for key, each in known.items()}
        case int() if abs(value) >= _LEAST_NUMBER and redact(str(value)) == STRUCK:
            return STRUCK
        case _:
            return value


def _strike_text(text: str, redact: Redact) -> str:
    held = _held(text)
    if held is None:
        return redact(text)
    struck = strike(held, redact)
    # Unchanged, it may still be written with what reading it lost, as of two keys of one name.
    return text if struck == held and redact(text) == text else msgspec.json.encode(struck).decode()


def _held(text: str) -> Any:
    """The object or array that a text is the JSON of, such as the arguments of a call; None when it is none."""
    if text.lstrip()[:1] not in {"{", "["}:
        return None
    try:
        return _decode(text)
    except UNREADABLE:
        return None


def strike_stream(text: str, redact: Redact) -> str:
    """An event stream without secrets, also without those that its events say only together; other text line by line.

    The lines that hold none stay as they are.
    """
    try:
        return _strike_lines(text, redact)
    except RecursionError:
        return redact(text)


def _strike_lines(text: str, redact: Redact) -> str:
    lines = _LINES.split(text)
    found = [_data(line) for line in lines]
    values = [value for _, value in found if value is not msgspec.UNSET]
    struck = iter(_strike_together(values, redact))
    for index, (head, value) in enumerate(found):
        if value is msgspec.UNSET:
            lines[index] = redact(lines[index])
        elif (new := next(struck)) != value or redact(lines[index]) != lines[index]:
            lines[index] = head + msgspec.json.encode(new).decode()
    return "".join(lines)


def _data(line: str) -> tuple[str, Any]:
    """The beginning of a line of data and its JSON; UNSET when it is none."""
    field, colon, value = line.partition(":")
    if field != "data" or not colon:
        return "", msgspec.UNSET
    head = "data: " if value.startswith(" ") else "data:"
    try:
        return head, _decode(value)
    except UNREADABLE:
        return "", msgspec.UNSET


def _strike_together(values: Sequence[Any], redact: Redact) -> Iterator[Any]:
    """Values without secrets, where texts of one place in neighbouring values are one text."""
    places: dict[Place, list[str]] = {}
    for value in values:
        for place, text in _texts(value, ()):
            places.setdefault(place, []).append(text)
    instead = {place: iter(_strike_pieces(texts, redact)) for place, texts in places.items() if len(texts) > 1}
    for value in values:
        yield strike(_replaced(value, (), instead), redact)


Place = tuple[Any, ...]


def _texts(value: Any, place: Place) -> Iterator[tuple[Place, str]]:
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, list | dict):
        for step, each in _steps(value):
            yield from _texts(each, (*place, step))


def _replaced(value: Any, place: Place, instead: dict[Place, Iterator[str]]) -> Any:
    if isinstance(value, str):
        return next(instead[place]) if place in instead else value
    if isinstance(value, list):
        return [_replaced(each, (*place, step), instead) for step, each in _steps(value)]
    if isinstance(value, dict):
        return {step[0]: _replaced(each, (*place, step), instead) for step, each in _steps(value)}
    return value


def _steps(value: Any) -> Iterator[tuple[Any, Any]]:
    """The values in a value, each with its place: an index, or a key beside the numbers that tell whose piece it is."""
    if isinstance(value, list):
        yield from enumerate(cast("list[Any]", value))
        return
    known = cast("dict[str, Any]", value)
    whose = tuple(each for key, each in known.items() if key.endswith("index") and isinstance(each, int))
    for key, each in known.items():
        yield (key, whose), each


def _strike_pieces(pieces: Sequence[str], redact: Redact) -> list[str]:
    """Pieces of one text without the secrets in it; each keeps what is left of it."""
    text = "".join(pieces)
    struck = _strike_text(text, redact)
    if struck == text:
        return list(pieces)
    if _held(text) is not None:  # it may have been written anew
        return [struck, *[""] * (len(pieces) - 1)]
    cuts: list[int] = []
    end = 0
    for piece in pieces:
        end += len(piece)
        cuts.append(end)
    moved = _moved(text, struck, cuts)
    return [struck[begin:end] for begin, end in zip([0, *moved[:-1]], [*moved[:-1], len(struck)], strict=True)]


def _moved(text: str, struck: str, cuts: Sequence[int]) -> list[int]:
    """Where places of a text are in what is left of it: those in a secret, after what stands for it."""
    moved: list[int] = []
    at = before = 0  # of the text that is left over, in `text` and in `struck`
    kept = struck.split(STRUCK)
    rest = iter(cuts)
    cut = next(rest, None)
    for number, part in enumerate(kept):
        if number:
            at = len(text) - len(part) if number == len(kept) - 1 else max(at, text.find(part, at))
        while cut is not None and cut <= at + len(part):
            moved.append(before + max(0, cut - at))
            cut = next(rest, None)
        at += len(part)
        before += len(part) + len(STRUCK)
    return moved + [len(struck)] * (len(cuts) - len(moved))
