"""Says in the words of YAML what a type takes, what stands there instead, and what to write."""

import difflib
from collections.abc import Mapping, Sequence

from msgspec import inspect

from emonk.config.reader import resolve

_YES, _NO = frozenset({"yes", "on", "y"}), frozenset({"no", "off", "n"})

_UNQUOTED: Mapping[type[inspect.Type], tuple[type, ...]] = {
    inspect.BoolType: (bool,),
    inspect.IntType: (int,),
    inspect.FloatType: (int, float),
}
"""What a text without its quotes has to be so that it fits."""


def alternatives(kind: inspect.Type) -> tuple[inspect.Type, ...]:
    """The types of a union; else the type itself."""
    return kind.types if isinstance(kind, inspect.UnionType) else (kind,)


def field_names(kind: inspect.Type) -> list[str]:
    """The keys that a struct takes."""
    structs = [one for one in alternatives(kind) if isinstance(one, inspect.StructType)]
    return [field.encode_name for struct in structs for field in struct.fields]


def wanted(kind: inspect.Type) -> str:
    """What a type takes; nothing where there are no words for it. That a value may be left out is not told."""
    told = [_words(one) for one in alternatives(kind) if not isinstance(one, inspect.NoneType)]
    return _either([*dict.fromkeys(told)]) if all(told) else ""


def found(content: object) -> str:
    """What stands there; no text, which might be a secret."""
    match content:
        case bool():
            return "true" if content else "false"
        case int() | float():
            number = f"{content:.12g}" if isinstance(content, float) else str(content)
            return number if len(number) < 30 else "such a number"
        case str():
            return "text"
        case list():
            return "a list"
        case _:
            return "keys with values"


def advice(content: object, kind: inspect.Type) -> str:
    """What to write in place of a value that does not fit; nothing when there is no telling."""
    for one in alternatives(kind):
        match one, content:
            case inspect.StrType(), bool() | int() | float():
                return "put it in quotes to make it text"
            case _, str() if type(resolve(content)) in _UNQUOTED.get(type(one), ()):
                return "leave out the quotes"
            case inspect.BoolType(), str() if content.lower() in _YES | _NO:
                return f"did you mean {'true' if content.lower() in _YES else 'false'}?"
            case inspect.CollectionType(), dict():
                return "begin each entry with a dash"
            case inspect.CollectionType(), bool() | int() | float() | str():
                return "put it in square brackets to make it a list"
            case _:
                continue
    if names := field_names(kind):
        return f"known here: {', '.join(names)}"
    return nearest(content, _choices(kind), listed=False) if isinstance(content, str) else ""


def nearest(word: str, known: Sequence[str], *, listed: bool = True) -> str:
    """The known word that was probably meant; or else, if they are to be `listed`, all of them."""
    close = difflib.get_close_matches(word, known, n=1)
    if close:
        return f"did you mean {close[0]}?"
    return f"known here: {', '.join(known)}" if known and listed else ""


def _words(kind: inspect.Type) -> str:
    match kind:
        case inspect.StrType():
            return "text"
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType():
            return f"a whole number{_bounds(kind)}"
        case inspect.FloatType():
            return f"a number{_bounds(kind)}"
        case inspect.DecimalType():
            return "a number"
        case inspect.DateType():
            return "a date such as 2026-11-26"
        case inspect.CollectionType():
            return "a list"
        case inspect.StructType() | inspect.DictType():
            return "keys with values"
        case _:
            return _either(_choices(kind))


def _bounds(kind: inspect.IntType | inspect.FloatType) -> str:
    bounds = {"above": kind.gt, "at least": kind.ge, "below": kind.lt, "at most": kind.le}
    told = [f"{word} {bound:g}" for word, bound in bounds.items() if bound is not None]
    return f" ({', '.join(told)})" if told else ""


def _choices(kind: inspect.Type) -> list[str]:
    chosen: list[str] = []
    for one in alternatives(kind):
        if isinstance(one, inspect.LiteralType):
            chosen += map(str, one.values)
        elif isinstance(one, inspect.EnumType):
            chosen += [str(member.value) for member in one.cls]
    return chosen


def _either(words: Sequence[str]) -> str:
    return " or ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))
