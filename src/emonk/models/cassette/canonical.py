"""Requests in one form, so that a later run's can be found among those that were recorded."""

import re
from collections.abc import Iterator
from hashlib import blake2b
from typing import Any, cast

import msgspec

_MADE_UP = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\bcall_(?:[0-9a-f]{24}|[0-9a-f]{32})\b"
)
"""Ids that emonk makes up are others in each run: UUIDs, and what OpenAI's adapter makes of them."""

_PROJECT = re.compile(r"(?<=/projects/)[^/]+")
_encode = msgspec.json.Encoder(order="sorted").encode


class Request(msgspec.Struct, frozen=True):
    """A request in its canonical form.

    Attributes:
        provider: whose wire format it has.
        path: of the address, without a Google Cloud project.
        body: JSON, or text where it is none.
    """

    provider: str
    path: str
    body: Any

    @property
    def digest(self) -> str:
        """The same for the same request."""
        return blake2b(_encode([self.provider, self.path, self.body]), digest_size=6).hexdigest()


def canonical(provider: str, path: str, body: Any) -> Request:
    """The canonical form: ids that were made up are numbered in the order in which they come."""
    numbers: dict[str, str] = {}

    def number(match: re.Match[str]) -> str:
        return numbers.setdefault(match[0], f"#{len(numbers) + 1}")

    return Request(provider, _PROJECT.sub("-", path), _mapped(body, number))


def _mapped(value: Any, number: Any) -> Any:
    match value:
        case str():
            return _MADE_UP.sub(number, value)
        case list():
            return [_mapped(each, number) for each in cast("list[Any]", value)]
        case dict():
            known = cast("dict[str, Any]", value)
            return {key: _mapped(known[key], number) for key in sorted(known)}
        case _:
            return value


def differences(asked: Request, recorded: Request) -> Iterator[str]:
    """What differs, one phrase each: the place, what is asked and what was recorded."""
    for name in ("provider", "path"):
        mine, theirs = getattr(asked, name), getattr(recorded, name)
        if mine != theirs:
            yield f"{name} is {mine!r}, not {theirs!r}"
    yield from _apart(asked.body, recorded.body, "")


def _apart(mine: Any, theirs: Any, where: str) -> Iterator[str]:
    if isinstance(mine, dict) and isinstance(theirs, dict):
        mine, theirs = cast("dict[str, Any]", mine), cast("dict[str, Any]", theirs)
        for key in sorted({*mine, *theirs}):
            place = f"{where}.{key}" if where else key
            if key not in theirs:
                yield f"{place} is new: {_short(mine[key])}"
            elif key not in mine:
                yield f"{place} is missing: {_short(theirs[key])}"
            else:
                yield from _apart(mine[key], theirs[key], place)
    elif isinstance(mine, list) and isinstance(theirs, list):
        mine, theirs = cast("list[Any]", mine), cast("list[Any]", theirs)
        for index, (one, other) in enumerate(zip(mine, theirs, strict=False)):
            yield from _apart(one, other, f"{where}[{index}]")
        if len(mine) != len(theirs):
            yield f"{where} has {len(mine)} items, not {len(theirs)}"
    elif mine != theirs:
        yield f"{where or 'the body'} is {_short(mine)}, not {_short(theirs)}"


def _short(value: Any) -> str:
    text = _encode(value).decode()
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


_SHOWN = 60
