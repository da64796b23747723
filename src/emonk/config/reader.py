"""Reads YAML within bounds, and keeps the line of every value.

Scalars follow the core schema of YAML 1.2: only `true` and `false` are booleans, so `no` and `on` stay words.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, NamedTuple

from emonk.config.variables import substitute
from emonk.errors import InvalidConfig

MAX_DEPTH = 32
MAX_VALUES = 10_000
"""Values in a text, with everything that its aliases repeat."""

# Patterns are compiled when they are first used: who imports emonk may never read a file.
_UNPRINTABLE = "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
_CONSTANTS: dict[str, object] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_NUMBERS: tuple[tuple[str, Callable[[str], object]], ...] = (
    (r"[-+]?[0-9]{1,4000}", int),
    (r"0o[0-7]{1,4000}|0x[0-9a-fA-F]{1,4000}", lambda text: int(text, 0)),
    (r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", float),
    (r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", lambda text: float(text.replace(".", ""))),
)

Keys = tuple[str | int, ...]


class Value(NamedTuple):
    """What stands at a place of the text: `items` has one for every key or position, `size` counts it and all below."""

    content: object
    line: int
    items: Mapping[str | int, "Value"]
    size: int

    @property
    def is_mapping(self) -> bool:
        return isinstance(self.content, dict)

    def only(self, wanted: Collection[str]) -> "Value":
        """This mapping without the keys that are not wanted."""
        items = {key: item for key, item in self.items.items() if key in wanted}
        return self._replace(content={key: item.content for key, item in items.items()}, items=items)


def read(text: str, name: str, *, first_line: int = 1, env: Mapping[str, str] | None = None) -> Value:
    """The one document of a text.

    Args:
        text: YAML without tags and merge keys.
        name: what the messages call it.
        first_line: the line of the file where the text begins.
        env: what `${VAR}` means; None leaves it as it stands.

    Raises:
        InvalidConfig: it cannot be read, is empty, nested too deep, or holds too much.
    """
    if found := re.search(_UNPRINTABLE, text):
        line = text.count("\n", 0, found.start()) + first_line
        raise mistake(name, line, (), f"holds the character U+{ord(found[0]):04X}, which YAML does not allow")
    return _Reader(name, first_line, env).read(text)


def mistake(name: str, line: int, keys: Keys, said: str, hint: str = "") -> InvalidConfig:
    """The error `NAME:LINE: KEY.PATH: what is wrong`."""
    where = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).removeprefix(".")
    return InvalidConfig(f"{name}:{line}: {where}: {said}" if where else f"{name}:{line}: {said}", hint=hint)


class _Reader:
    """Builds values from the events of the parser, in a bounded depth and number."""

    def __init__(self, name: str, first_line: int, env: Mapping[str, str] | None) -> None:
        self._name = name
        self._first = first_line
        self._env = env
        self._anchors: dict[str, Value] = {}
        self._count = 0

    def read(self, text: str) -> Value:
        import yaml  # noqa: PLC0415  only who reads a file pays for the parser

        parser: Any = yaml
        loader = getattr(parser, "CSafeLoader", parser.SafeLoader)
        try:
            return self._document(parser.parse(text, Loader=loader))
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            said = " ".join(part for part in (error.context, error.problem) if part)
            line = self._first + (mark.line if mark else 0)
            raise mistake(self._name, line, (), f"is not YAML: {said}") from None
        except yaml.YAMLError as error:
            raise mistake(self._name, self._first, (), f"is not YAML: {error}") from None

    def _document(self, events: Iterator[Any]) -> Value:
        root: Value | None = None
        for event in events:
            kind = type(event).__name__
            if kind == "DocumentStartEvent" and root is not None:
                raise self._refuse(event, (), "begins a second document; there must be one")
            if kind in {"StreamStartEvent", "DocumentStartEvent", "DocumentEndEvent", "StreamEndEvent"}:
                continue
            root = self._value(event, events, ())
        if root is None or root.content is None:
            raise mistake(self._name, self._first, (), "is empty")
        return root

    def _value(self, event: Any, events: Iterator[Any], keys: Keys) -> Value:
        if len(keys) > MAX_DEPTH:
            raise self._refuse(event, keys[:1], f"is nested deeper than {MAX_DEPTH} levels")
        if getattr(event, "tag", None) not in {None, "!"}:
            raise self._refuse(event, keys, f"the tag {event.tag} is not allowed", "write the value without a tag")
        match type(event).__name__:
            case "AliasEvent":
                return self._alias(event, keys)
            case "ScalarEvent":
                value = self._scalar(event, keys)
            case "SequenceStartEvent":
                value = self._sequence(event, events, keys)
            case _:
                value = self._mapping(event, events, keys)
        if event.anchor is not None:
            self._anchors[event.anchor] = value
        return value

    def _alias(self, event: Any, keys: Keys) -> Value:
        anchored = self._anchors.get(event.anchor)
        if anchored is None:
            raise self._refuse(event, keys, f"the alias *{event.anchor} repeats nothing that is complete before it")
        self._grow(event, keys, anchored.size)
        return anchored

    def _scalar(self, event: Any, keys: Keys) -> Value:
        self._grow(event, keys, 1)
        try:
            text = event.value if self._env is None else substitute(event.value, self._env)
        except InvalidConfig as error:
            raise self._refuse(event, keys, error.message, error.hint) from None
        return Value(resolve(text) if event.implicit[0] else text, self._line(event), {}, 1)

    def _sequence(self, event: Any, events: Iterator[Any], keys: Keys) -> Value:
        self._grow(event, keys, 1)
        items: dict[str | int, Value] = {}
        while type(entry := next(events)).__name__ != "SequenceEndEvent":
            items[len(items)] = self._value(entry, events, (*keys, len(items)))
        return Value([item.content for item in items.values()], self._line(event), items, _size(items))

    def _mapping(self, event: Any, events: Iterator[Any], keys: Keys) -> Value:
        self._grow(event, keys, 1)
        items: dict[str | int, Value] = {}
        while type(entry := next(events)).__name__ != "MappingEndEvent":
            key = self._key(entry, keys)
            if key in items:
                raise self._refuse(entry, (*keys, key), f"is given twice, first in line {items[key].line}")
            items[key] = self._value(next(events), events, (*keys, key))._replace(line=self._line(entry))
        return Value({key: item.content for key, item in items.items()}, self._line(event), items, _size(items))

    def _key(self, event: Any, keys: Keys) -> str:
        if type(event).__name__ != "ScalarEvent" or event.tag is not None or event.anchor is not None:
            raise self._refuse(event, keys, "a key must be a plain word")
        if event.value == "<<":
            raise self._refuse(event, keys, "merge keys (<<) are not supported", "repeat the keys, or alias one value")
        return event.value

    def _grow(self, event: Any, keys: Keys, values: int) -> None:
        self._count += values
        if self._count > MAX_VALUES:
            raise self._refuse(event, keys[:1], f"holds more than {MAX_VALUES} values, aliases counted as repeated")

    def _line(self, event: Any) -> int:
        return self._first + event.start_mark.line

    def _refuse(self, event: Any, keys: Keys, said: str, hint: str = "") -> InvalidConfig:
        return mistake(self._name, self._line(event), keys, said, hint)


def _size(items: Mapping[str | int, Value]) -> int:
    return 1 + sum(item.size for item in items.values())


def resolve(text: str) -> object:
    """What a plain scalar means in the core schema: https://yaml.org/spec/1.2.2/#1032-tag-resolution."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    for pattern, convert in _NUMBERS:
        if re.fullmatch(pattern, text):
            return convert(text)
    return text
