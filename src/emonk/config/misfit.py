"""Fits what was read into a typed struct, and says of a misfit in which line and under which key it stands."""

import difflib
import re
from typing import TypeVar, cast

import msgspec

from emonk.config.reader import Keys, Value, mistake
from emonk.errors import InvalidConfig

T = TypeVar("T")

_PATH_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|(\[\.\.\.\])")


def fit(root: Value, schema: type[T], name: str) -> T:
    """Convert what `read` returned; unknown keys are refused in `schema` and in every struct below it.

    Raises:
        InvalidConfig: it does not fit; the message begins with `NAME:LINE: KEY.PATH:`.
    """
    kind = msgspec.inspect.type_info(schema)
    if not root.is_mapping:
        begin = "".join(f"begin with `{field}:`" for field in _field_names(kind)[:1])
        raise mistake(name, root.line, (), "must be a mapping of keys to values", begin)
    _refuse_unknown_keys(name, root, kind, ())
    try:
        return msgspec.convert(root.content, schema)
    except msgspec.ValidationError as error:
        raise _misfit(name, root, kind, str(error)) from None
    except InvalidConfig as error:
        raise _refused_by_section(name, root, kind, error) from None


def _refuse_unknown_keys(name: str, value: Value, kind: msgspec.inspect.Type, keys: Keys) -> None:
    for step, item in value.items.items():
        inner = _inside(kind, step)
        if inner is None:
            known = _field_names(kind)
            raise mistake(name, item.line, (*keys, step), "is no known key", _nearest(str(step), known))
        _refuse_unknown_keys(name, item, inner, (*keys, step))


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


def _misfit(name: str, root: Value, kind: msgspec.inspect.Type, said: str) -> InvalidConfig:
    """Turn `Expected ..., got ... - at `$.agent.llm`` into a line of the file."""
    what, _, path = said.replace("`", "").partition(" - at ")
    value, keys = root, cast("Keys", ())
    for key, index, _anything in _PATH_STEP.findall(path):
        step = int(index) if index else key
        if step not in value.items:
            break
        value, keys = value.items[step], (*keys, step)
        kind = _inside(kind, step) or msgspec.inspect.AnyType()
    if missing := re.fullmatch(r"Object missing required field (.+)", what):
        return mistake(name, value.line, (*keys, missing[1]), "is missing")
    return mistake(name, value.line, keys, what[:1].lower() + what[1:], _advice(value.content, kind))


def _refused_by_section(name: str, root: Value, kind: msgspec.inspect.Type, error: InvalidConfig) -> InvalidConfig:
    """Name the innermost section that refuses what it holds, which only says what is wrong and not where."""
    value, keys = root, cast("Keys", ())
    while inner := _refusing(value, kind):
        step, kind = inner
        value, keys = value.items[step], (*keys, step)
    return mistake(name, value.line, keys, error.message, error.hint)


def _refusing(value: Value, kind: msgspec.inspect.Type) -> tuple[str | int, msgspec.inspect.Type] | None:
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
            elif isinstance(one, msgspec.inspect.CollectionType | msgspec.inspect.DictType) and _refusing(item, one):
                return step, one
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
