"""Which JSON Schemas OpenAI takes in strict mode, where an answer is held to its schema letter by letter.

https://developers.openai.com/api/docs/guides/structured-outputs#supported-schemas.
"""

from typing import Any

from emonk.models.fields import as_list, as_object

MOST_PROPERTIES = 5000
MOST_LEVELS = 10

KEYWORDS = frozenset(
    {
        "$defs",
        "$ref",
        "additionalProperties",
        "anyOf",
        "const",
        "definitions",
        "description",
        "enum",
        "exclusiveMaximum",
        "exclusiveMinimum",
        "format",
        "items",
        "maxItems",
        "maximum",
        "minItems",
        "minimum",
        "multipleOf",
        "pattern",
        "properties",
        "required",
        "title",
        "type",
    }
)
"""The keywords of strict mode; `title` says nothing and is let through."""

FORMATS = frozenset({"date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uuid"})


class Unfit(Exception):
    """Strict mode does not take the schema; the text names the keyword and where it stands."""


def strict_fault(schema: Any) -> str:
    """Why strict mode does not take a schema, with the place as a JSON pointer; empty when it does."""
    root = as_object(schema)
    if root.get("type") != "object" or "anyOf" in root:
        return "the root is no plain object"
    try:
        if _count(root, "", 0) > MOST_PROPERTIES:
            return f"it has more than {MOST_PROPERTIES} properties"
    except Unfit as unfit:
        return str(unfit)
    return ""


def _count(schema: Any, where: str, level: int) -> int:
    """The properties of a schema and of all inside it."""
    if not isinstance(schema, dict) or level > MOST_LEVELS:
        raise Unfit(f"it is nested more than {MOST_LEVELS} deep" if level > MOST_LEVELS else f"no schema at {where}")
    found = as_object(schema)
    for keyword in found:
        if keyword not in KEYWORDS:
            raise Unfit(f"{keyword} at {where or '/'}")
    if found.get("format", "date") not in FORMATS:
        raise Unfit(f"format {found['format']!r} at {where or '/'}")
    properties = as_object(found.get("properties"))
    types = found.get("type")
    if types == "object" or "object" in as_list(types) or properties:
        _check_object(found, properties, where)
    total = len(properties)
    for keyword in ("properties", "$defs", "definitions"):
        for name, inner in as_object(found.get(keyword)).items():
            total += _count(inner, f"{where}/{keyword}/{name}", level + (keyword == "properties"))
    if "items" in found:
        total += _count(found["items"], f"{where}/items", level + 1)
    for index, inner in enumerate(as_list(found.get("anyOf"))):
        total += _count(inner, f"{where}/anyOf/{index}", level)
    return total


def _check_object(schema: dict[str, Any], properties: dict[str, Any], where: str) -> None:
    if schema.get("additionalProperties") is not False:
        raise Unfit(f"additionalProperties is not false at {where or '/'}")
    required = as_list(schema.get("required"))
    missing = next((name for name in properties if name not in required), None)
    if missing is not None:
        raise Unfit(f"required lacks {missing!r} at {where or '/'}")
