"""From words to a value that a parameter's schema accepts."""

import datetime as dt
import decimal
import re
import uuid
from collections.abc import Callable
from typing import Any

Schema = dict[str, Any]

_COUNTED = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_NUMBERS = {word: number for number, word in enumerate(_COUNTED)}
_TRUE = frozenset(("true", "yes", "on", "1"))
_FALSE = frozenset(("false", "no", "off", "0"))
_QUOTES = {'"': '"', "'": "'", "`": "`", "\u201c": "\u201d", "\u2018": "\u2019"}
_FORMAT = re.compile(r"\(format: ([a-z-]+)\)")
_FORMATS: dict[str, Callable[[str], Any]] = {
    "date": dt.date.fromisoformat,
    "date-time": dt.datetime.fromisoformat,
    "time": dt.time.fromisoformat,
    "uuid": uuid.UUID,
    "decimal": decimal.Decimal,
}


def value_of(text: str, schema: Schema) -> Any | None:
    """The value that the text stands for, or None when the schema accepts none."""
    text = unquoted(text.strip())
    if "anyOf" in schema:
        return next((value for choice in schema["anyOf"] if (value := value_of(text, choice)) is not None), None)
    if "enum" in schema:
        return _choice(text, schema["enum"])
    value = _READERS.get(schema.get("type", ""), _nothing)(text, schema)
    return value if value is not None and _within(value, schema) else None


def is_free(schema: Schema) -> bool:
    """Any words may be the value."""
    told = (
        "enum" in schema or "pattern" in schema or "format" in schema or _FORMAT.search(schema.get("description", ""))
    )
    return schema.get("type") == "string" and not told


def takes_one_word(schema: Schema) -> bool:
    """A text parameter whose default is one word, such as a revision, takes one word."""
    default = schema.get("default")
    return isinstance(default, str) and bool(default) and len(default.split()) == 1


def unquoted(text: str) -> str:
    """Without the pair of quotes around it."""
    if len(text) >= 2 and _QUOTES.get(text[0]) == text[-1]:
        return text[1:-1]
    return text


def _choice(text: str, choices: list[Any]) -> Any | None:
    plain = _flat(text)
    for choice in choices:
        if _flat(str(choice)) == plain:
            return choice
    return None


def _flat(text: str) -> str:
    return re.sub(r"[\s_-]+", " ", text.strip(".,;:!?").lower())


def _string(text: str, schema: Schema) -> str | None:
    named = schema.get("format") or next(iter(_FORMAT.findall(schema.get("description", ""))), "")
    if not named:
        return text
    try:
        _FORMATS.get(named, _refuse)(text)
    except (ValueError, ArithmeticError):
        return None
    return text


def _integer(text: str, _schema: Schema) -> int | None:
    plain = text.strip(".,;:!?").lower()
    if re.fullmatch(r"[+-]?[0-9]{1,18}", plain):
        return int(plain)
    return _NUMBERS.get(plain)


def _number(text: str, schema: Schema) -> float | None:
    plain = text.rstrip(".,;:!?%")
    return float(plain) if re.fullmatch(r"[+-]?[0-9]{1,18}(\.[0-9]{1,18})?", plain) else _integer(plain, schema)


def _boolean(text: str, _schema: Schema) -> bool | None:
    plain = text.strip(".,;:!?").lower()
    return True if plain in _TRUE else False if plain in _FALSE else None


def _array(text: str, schema: Schema) -> list[Any] | None:
    parts = [part for part in re.split(r"\s*,\s*(?:and\s+)?|\s+and\s+", text) if part]
    values = [value_of(part, schema.get("items", {"type": "string"})) for part in parts]
    return None if not values or None in values else values


def _nothing(_text: str, _schema: Schema) -> None:
    return None


def _refuse(_text: str) -> None:
    raise ValueError


_READERS: dict[str, Callable[[str, Schema], Any]] = {
    "string": _string,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "array": _array,
}


def _within(value: Any, schema: Schema) -> bool:
    match value:
        case bool():
            return True
        case int() | float():
            return schema.get("minimum", value) <= value <= schema.get("maximum", value)
        case str():
            length = schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value))
            return length and re.search(schema.get("pattern", ""), value) is not None
        case _:
            return schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value))
