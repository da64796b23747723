"""Loads a YAML file into a typed struct, and says of every mistake in which line and under which key it stands.

Scalars follow the core schema of YAML 1.2: only `true` and `false` are booleans, so `no` and `on` stay words.
"""

import difflib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

import msgspec

from emonk.errors import InvalidConfig

T = TypeVar("T")

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 32
MAX_VALUES = 10_000
"""Values in a file, with everything that its aliases repeat."""

_VARIABLE = re.compile(r"\$(?:\$|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}|(?P<broken>\{))")
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_PATH_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|(\[\.\.\.\])")
_CONSTANTS: dict[str, object] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_NUMBERS: tuple[tuple[re.Pattern[str], Callable[[str], object]], ...] = (
    (re.compile(r"[-+]?[0-9]{1,4000}"), int),
    (re.compile(r"0o[0-7]{1,4000}|0x[0-9a-fA-F]{1,4000}"), lambda text: int(text, 0)),
    (re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"), float),
    (re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"), lambda text: float(text.replace(".", ""))),
)

Keys = tuple[str | int, ...]


class _Value(NamedTuple):
    """A node of the file: `items` holds one for every key or position, `size` counts it and all below."""

    content: object
    line: int
    items: Mapping[str | int, "_Value"]
    size: int


def load(path: Path, schema: type[T], *, env: Mapping[str, str] | None = None) -> T:
    """Read `path` as YAML, put the variables of `env` in, and convert it to `schema`.

    Args:
        path: a file of at most 1 MiB of UTF-8.
        schema: a msgspec struct; unknown keys are refused in it and in every struct below it.
        env: what `${VAR}` means; the environment of the process when None.

    Raises:
        InvalidConfig: the file cannot be read or does not fit; the message begins with `FILE:LINE: KEY.PATH:`.
    """
    text = _read(path)
    root = _Reader(str(path), os.environ if env is None else env).read(text)
    _refuse_unknown_keys(str(path), root, msgspec.inspect.type_info(schema), ())
    try:
        return msgspec.convert(root.content, schema)
    except msgspec.ValidationError as error:
        raise _misfit(str(path), root, schema, str(error)) from None
    except InvalidConfig as error:
        raise _refused_by_section(str(path), root, schema, error) from None


def substitute(text: str, env: Mapping[str, str]) -> str:
    """Replace `${VAR}`, and `${VAR:-default}` where VAR is unset or empty; `$$` is a literal dollar.

    What a variable holds is never looked through for variables itself.

    Raises:
        InvalidConfig: a variable without default is not set, or a `${` has no end or no proper name.
    """

    def value(match: re.Match[str]) -> str:
        name, default = match["name"], match["default"]
        if match["broken"]:
            raise InvalidConfig(
                "a variable that begins with ${ cannot be read",
                hint="write ${NAME} or ${NAME:-default}; a literal ${ is written $${",
            )
        if name is None:
            return "$"
        if default is not None:
            return env.get(name) or default
        if name not in env:
            raise InvalidConfig(
                f"the environment variable {name} is not set",
                hint=f"set {name}, or give it a default: ${{{name}:-default}}",
            )
        return env[name]

    return _VARIABLE.sub(value, text)


def _problem(file: str, line: int, keys: Keys, problem: str, hint: str = "") -> InvalidConfig:
    where = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).removeprefix(".")
    return InvalidConfig(f"{file}:{line}: {where}: {problem}" if where else f"{file}:{line}: {problem}", hint=hint)


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InvalidConfig(f"{path}: cannot be read: {reason}") from error
    if len(raw) > MAX_BYTES:
        raise InvalidConfig(f"{path}: is larger than 1 MiB", hint="is this the right file?")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise _problem(str(path), line, (), "is not UTF-8", "save the file as UTF-8") from None
    if found := _UNPRINTABLE.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise _problem(str(path), line, (), f"holds the character U+{ord(found[0]):04X}, which YAML does not allow")
    return text


class _Reader:
    """Builds values from the events of the parser, in a bounded depth and number."""

    def __init__(self, file: str, env: Mapping[str, str]) -> None:
        self._file = file
        self._env = env
        self._anchors: dict[str, _Value] = {}
        self._count = 0

    def read(self, text: str) -> _Value:
        """The only document of the text, which must be a mapping."""
        import yaml  # noqa: PLC0415  only who reads a file pays for the parser

        parser: Any = yaml
        loader = getattr(parser, "CSafeLoader", parser.SafeLoader)
        try:
            return self._document(parser.parse(text, Loader=loader))
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            said = " ".join(part for part in (error.context, error.problem) if part)
            raise _problem(self._file, mark.line + 1 if mark else 1, (), f"is not YAML: {said}") from None
        except yaml.YAMLError as error:
            raise _problem(self._file, 1, (), f"is not YAML: {error}") from None

    def _document(self, events: Iterator[Any]) -> _Value:
        root: _Value | None = None
        for event in events:
            kind = type(event).__name__
            if kind == "DocumentStartEvent" and root is not None:
                raise self._refuse(event, (), "begins a second document; a configuration is one")
            if kind in {"StreamStartEvent", "DocumentStartEvent", "DocumentEndEvent", "StreamEndEvent"}:
                continue
            root = self._value(event, events, ())
        if root is None or root.content is None:
            raise _problem(self._file, 1, (), "is empty")
        if not isinstance(root.content, dict):
            raise _problem(self._file, root.line, (), "must be a mapping of keys to values", "begin with `agent:`")
        return root

    def _value(self, event: Any, events: Iterator[Any], keys: Keys) -> _Value:
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

    def _alias(self, event: Any, keys: Keys) -> _Value:
        anchored = self._anchors.get(event.anchor)
        if anchored is None:
            raise self._refuse(event, keys, f"the alias *{event.anchor} repeats nothing that is complete before it")
        self._grow(event, keys, anchored.size)
        return anchored

    def _scalar(self, event: Any, keys: Keys) -> _Value:
        self._grow(event, keys, 1)
        try:
            text = substitute(event.value, self._env)
        except InvalidConfig as error:
            raise self._refuse(event, keys, error.message, error.hint) from None
        return _Value(_resolve(text) if event.implicit[0] else text, _line(event), {}, 1)

    def _sequence(self, event: Any, events: Iterator[Any], keys: Keys) -> _Value:
        self._grow(event, keys, 1)
        items: dict[str | int, _Value] = {}
        while type(entry := next(events)).__name__ != "SequenceEndEvent":
            items[len(items)] = self._value(entry, events, (*keys, len(items)))
        return _Value([item.content for item in items.values()], _line(event), items, _size(items))

    def _mapping(self, event: Any, events: Iterator[Any], keys: Keys) -> _Value:
        self._grow(event, keys, 1)
        items: dict[str | int, _Value] = {}
        while type(entry := next(events)).__name__ != "MappingEndEvent":
            key = self._key(entry, keys)
            if key in items:
                raise self._refuse(entry, (*keys, key), f"is given twice, first in line {items[key].line}")
            items[key] = self._value(next(events), events, (*keys, key))._replace(line=_line(entry))
        return _Value({key: item.content for key, item in items.items()}, _line(event), items, _size(items))

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

    def _refuse(self, event: Any, keys: Keys, problem: str, hint: str = "") -> InvalidConfig:
        return _problem(self._file, _line(event), keys, problem, hint)


def _line(event: Any) -> int:
    return event.start_mark.line + 1


def _size(items: Mapping[str | int, _Value]) -> int:
    return 1 + sum(item.size for item in items.values())


def _resolve(text: str) -> object:
    """What a plain scalar means in the core schema: https://yaml.org/spec/1.2.2/#1032-tag-resolution."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    for pattern, convert in _NUMBERS:
        if pattern.fullmatch(text):
            return convert(text)
    return text


def _refuse_unknown_keys(file: str, value: _Value, kind: msgspec.inspect.Type, keys: Keys) -> None:
    for step, item in value.items.items():
        inner = _inside(kind, step)
        if inner is None:
            known = _field_names(kind)
            raise _problem(file, item.line, (*keys, step), "is no known key", _nearest(str(step), known))
        _refuse_unknown_keys(file, item, inner, (*keys, step))


def _alternatives(kind: msgspec.inspect.Type) -> tuple[msgspec.inspect.Type, ...]:
    if isinstance(kind, msgspec.inspect.UnionType):
        return kind.types
    return (kind,)


def _field_names(kind: msgspec.inspect.Type) -> list[str]:
    structs = [one for one in _alternatives(kind) if isinstance(one, msgspec.inspect.StructType)]
    return [field.encode_name for struct in structs for field in struct.fields]


def _inside(kind: msgspec.inspect.Type, step: str | int) -> msgspec.inspect.Type | None:
    """The type that stands under a key or position; None when a struct has no such field."""
    tried = False
    for one in _alternatives(kind):
        match one:
            case msgspec.inspect.StructType(fields=fields):
                tried = True
                for field in fields:
                    if field.encode_name == step:
                        return field.type
                if one.tag_field == step:
                    return msgspec.inspect.AnyType()
            case msgspec.inspect.DictType(value_type=inner) if isinstance(step, str):
                return inner
            case msgspec.inspect.CollectionType(item_type=inner) if isinstance(step, int):
                return inner
            case _:
                pass
    return None if tried and isinstance(step, str) else msgspec.inspect.AnyType()


def _misfit(file: str, root: _Value, schema: type[object], said: str) -> InvalidConfig:
    """Turn `Expected ..., got ... - at `$.agent.llm`` into a line of the file."""
    problem, _, path = said.replace("`", "").partition(" - at ")
    value, keys, kind = root, cast("Keys", ()), msgspec.inspect.type_info(schema)
    for name, index, _anything in _PATH_STEP.findall(path):
        step = int(index) if index else name
        if step not in value.items:
            break
        value, keys = value.items[step], (*keys, step)
        kind = _inside(kind, step) or msgspec.inspect.AnyType()
    if missing := re.fullmatch(r"Object missing required field (.+)", problem):
        return _problem(file, value.line, (*keys, missing[1]), "is missing")
    return _problem(file, value.line, keys, problem[:1].lower() + problem[1:], _advice(value.content, kind))


def _refused_by_section(file: str, root: _Value, schema: type[object], error: InvalidConfig) -> InvalidConfig:
    """Name the innermost section that refuses what it holds, which only says what is wrong and not where."""
    value, keys, kind = root, cast("Keys", ()), msgspec.inspect.type_info(schema)
    while inner := _refusing(value, kind):
        step, kind = inner
        value, keys = value.items[step], (*keys, step)
    return _problem(file, value.line, keys, error.message, error.hint)


def _refusing(value: _Value, kind: msgspec.inspect.Type) -> tuple[str | int, msgspec.inspect.Type] | None:
    for step, item in value.items.items():
        inner = _inside(kind, step) or msgspec.inspect.AnyType()
        for one in _alternatives(inner):
            if isinstance(one, msgspec.inspect.StructType):
                try:
                    msgspec.convert(item.content, one.cls)
                except InvalidConfig:
                    return step, inner
                except msgspec.ValidationError:
                    continue
    return None


def _advice(content: object, kind: msgspec.inspect.Type) -> str:
    if isinstance(content, bool | int | float) and any(
        isinstance(one, msgspec.inspect.StrType) for one in _alternatives(kind)
    ):
        return "put it in quotes to make it text"
    choices = [
        str(choice)
        for one in _alternatives(kind)
        if isinstance(one, msgspec.inspect.LiteralType)
        for choice in one.values
    ]
    choices += [
        str(member.value)
        for one in _alternatives(kind)
        if isinstance(one, msgspec.inspect.EnumType)
        for member in one.cls
    ]
    return _nearest(str(content), choices)


def _nearest(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    if close:
        return f"did you mean {close[0]}?"
    return f"known here: {', '.join(known)}" if known else ""
