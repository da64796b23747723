"""Arguments for a tool, made from its JSON schema: such as fit, and such as do not."""

import re
from random import Random
from typing import Any, cast

Schema = dict[str, Any]

_WORDS = ("Paris", "Rome", "draft", "notes.txt", "a few words", "Zürich", "")
_FORMATS = {
    "date-time": "2026-01-02T03:04:05Z",
    "date": "2026-01-02",
    "time": "03:04:05Z",
    "duration": "PT90S",
    "uuid": "0198b6c2-7c54-7d3a-9a51-3f6d2a9c0b1e",
    "decimal": "19.90",
}
_TOLD_FORMAT = re.compile(r"\(format: ([a-z-]+)\)")  # `emonk.skills.schema` tells so what no provider takes as `format`


def fitting(schema: Schema, random: Random) -> dict[str, Any]:
    """Arguments that the schema allows; what is optional is there or not."""
    required = schema.get("required", ())
    properties: dict[str, Schema] = schema.get("properties", {})
    return {name: value(each, random) for name, each in properties.items() if name in required or random.random() < 0.5}


def misfitting(schema: Schema, random: Random) -> dict[str, Any]:
    """Arguments that any tool refuses: one more than there are, and perhaps one missing or of a wrong type."""
    arguments = fitting(schema, random)
    if arguments:
        name = random.choice(sorted(arguments))
        if random.random() < 0.5:
            del arguments[name]
        else:
            arguments[name] = {"unexpected": [None]}
    return arguments | {"no_such_parameter": True}


def value(schema: Schema, random: Random) -> Any:
    """A value that the schema allows, or some text where it says nothing that is understood here."""
    if not isinstance(schema, dict):  # pyright: ignore[reportUnnecessaryIsInstance]
        return _string({}, random)
    if schema.get("enum"):
        return random.choice(list(schema["enum"]))
    if schema.get("anyOf"):
        return value(random.choice(list(schema["anyOf"])), random)
    match schema.get("type"):
        case "object":
            return _object(schema, random)
        case "array":
            least, most = schema.get("minItems", 0), schema.get("maxItems", 3)
            count = random.randint(least, max(least, min(most, least + 2)))
            return [value(schema.get("items", {}), random) for _ in range(count)]
        case "integer":
            return _number(schema, random, whole=True)
        case "number":
            return _number(schema, random, whole=False)
        case "boolean":
            return random.random() < 0.5
        case "null":
            return None
        case _:
            return _string(schema, random)


def _object(schema: Schema, random: Random) -> dict[str, Any]:
    made = fitting(schema, random)
    more = schema.get("additionalProperties")
    if isinstance(more, dict):
        for key in range(max(1, schema.get("minProperties", 0)) - len(made)):
            made[str(key)] = value(cast("Schema", more), random)  # a number in a text fits whichever type the keys have
    return made


def _number(schema: Schema, random: Random, *, whole: bool) -> int | float:
    most = schema.get("maximum", schema.get("minimum", 0) + 9)
    least = schema.get("minimum", min(0, most - 9))
    return random.randint(int(least), max(int(least), int(most))) if whole else round(random.uniform(least, most), 3)


def _string(schema: Schema, random: Random) -> str:
    told = _TOLD_FORMAT.search(schema.get("description", ""))
    form = told[1] if told else schema.get("format")
    if form in _FORMATS:
        return _FORMATS[form]
    text = random.choice(_WORDS)
    least, most = schema.get("minLength", 0), schema.get("maxLength", 1000)
    return text.ljust(least, "x")[: max(most, least)]
