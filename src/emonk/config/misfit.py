"""Fits what was read into a typed struct, and says of a misfit in which line and under which key it stands."""

import re
from typing import TypeVar, cast

import msgspec

from emonk.config.reader import Keys, Value, mistake
from emonk.config.wanted import advice, alternatives, field_names, found, nearest, wanted
from emonk.errors import InvalidConfig

T = TypeVar("T")

_PATH_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|(\[\.\.\.\])")
_OF_A_KEY = re.compile(r"(?:\w+\.)*(?P<key>\w+) (?=is )")
"""How sections begin to say what is wrong with one of their keys: `budgets.session_usd is -1`."""

_OF_WORDS = ("Invalid enum value", "Invalid RFC3339 encoded date")
_OF_TYPES = ("Expected ", "Invalid decimal string", *_OF_WORDS)
"""How msgspec begins when a value is not what its type takes; `_OF_WORDS` when it is text, but another one."""


def fit(root: Value, schema: type[T], name: str) -> T:
    """Convert what `read` returned; unknown keys are refused in `schema` and in every struct below it.

    Raises:
        InvalidConfig: it does not fit; the message begins with `NAME:LINE: KEY.PATH:`.
    """
    kind = msgspec.inspect.type_info(schema)
    if not root.is_mapping:
        begin = "".join(f"begin with `{field}:`" for field in field_names(kind)[:1])
        raise mistake(name, root.line, (), "must be keys with values", begin)
    _refuse_unknown_keys(name, root, kind, ())
    try:
        return msgspec.convert(root.content, schema)
    except msgspec.ValidationError as error:
        raise _misfit(name, root, schema, kind, str(error)) from None
    except InvalidConfig as error:
        raise _refused_by_section(name, root, kind, error) from None


def _refuse_unknown_keys(name: str, value: Value, kind: msgspec.inspect.Type, keys: Keys) -> None:
    for step, item in value.items.items():
        inner = _inside(kind, step)
        if inner is None:
            known = field_names(kind)
            raise mistake(name, item.line, (*keys, step), "is no known key", nearest(str(step), known))
        _refuse_unknown_keys(name, item, inner, (*keys, step))


def _inside(kind: msgspec.inspect.Type, step: str | int) -> msgspec.inspect.Type | None:
    """The type that stands under a key or position; None when a struct has no such field."""
    tried = False
    for one in alternatives(kind):
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


def _misfit(name: str, root: Value, schema: type, kind: msgspec.inspect.Type, said: str) -> InvalidConfig:
    """Turn `Expected ..., got ... - at `$.agent.llm`` into a line of the file, in words that YAML has."""
    what, _, path = said.replace("`", "").partition(" - at ")
    value, keys = root, cast("Keys", ())
    for key, index, unnamed in _PATH_STEP.findall(path):
        step: str | int = int(index) if index else key
        if unnamed:
            step = _culprit(root, keys, value, schema, said)
        if step not in value.items:
            break
        value, keys = value.items[step], (*keys, step)
        kind = _inside(kind, step) or msgspec.inspect.AnyType()
    if missing := re.fullmatch(r"Object missing required field (.+)", what):
        return mistake(name, value.line, (*keys, missing[1]), "is missing")
    return mistake(name, value.line, keys, _complaint(what, value.content, kind), advice(value.content, kind))


def _complaint(what: str, content: object, kind: msgspec.inspect.Type) -> str:
    """What to say of a value: in the library's own words where its type is right, or there are none for it."""
    takes = wanted(kind)
    if not takes or not what.startswith(_OF_TYPES):
        return what[:1].lower() + what[1:]
    if content is None:
        return f"is empty, and must be {takes}"
    return f"must be {takes}" if what.startswith(_OF_WORDS) else f"must be {takes}, not {found(content)}"


def _culprit(root: Value, keys: Keys, value: Value, schema: type, said: str) -> str | int:
    """The key of a mapping under which the misfit is, which the library tells as `[...]`; none there, if none is."""
    for step in value.items:
        try:
            msgspec.convert(_reduced(root, keys, step), schema)
        except msgspec.ValidationError as error:
            if str(error) == said:
                return step
        except InvalidConfig:
            continue
    return ""


def _reduced(value: Value, keys: Keys, kept: str | int) -> object:
    """The content with nothing but one key in the mapping that stands at `keys`."""
    if not keys:
        return {kept: value.items[kept].content}
    items = {step: item.content for step, item in value.items.items()}
    items[keys[0]] = _reduced(value.items[keys[0]], keys[1:], kept)
    return items if value.is_mapping else list(items.values())


def _refused_by_section(name: str, root: Value, kind: msgspec.inspect.Type, error: InvalidConfig) -> InvalidConfig:
    """Name the innermost section that refuses what it holds, and the key with which its message begins if it does."""
    value, keys = root, cast("Keys", ())
    while inner := _refusing(value, kind):
        step, kind = inner
        value, keys = value.items[step], (*keys, step)
    if (told := _OF_A_KEY.match(error.message)) and told["key"] in value.items:
        key = told["key"]
        return mistake(name, value.items[key].line, (*keys, key), error.message[told.end() :], error.hint)
    return mistake(name, value.line, keys, error.message, error.hint)


def _refusing(value: Value, kind: msgspec.inspect.Type) -> tuple[str | int, msgspec.inspect.Type] | None:
    for step, item in value.items.items():
        inner = _inside(kind, step) or msgspec.inspect.AnyType()
        for one in alternatives(inner):
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
