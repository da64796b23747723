"""JSON Schemas as Anthropic takes them.

https://platform.claude.com/docs/en/build-with-claude/structured-outputs#json-schema-limitations; what it holds the
schemas of tools to is told by its error messages only.
"""

import re
from collections.abc import Mapping
from typing import Any

from emonk.errors import InvalidConfig
from emonk.models.fields import as_list, as_object

Schema = dict[str, Any]

PROPERTY_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,64}")

FORMATS = frozenset({"date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uri", "uuid"})
"""Of strings; others are refused."""

_COMBINED = ("anyOf", "oneOf", "allOf")
_KEPT = frozenset({"$ref", "const", "default", "description", "enum", "title", "type"})


def tool_schema(name: str, parameters: Mapping[str, Any]) -> Schema:
    """The parameters of a tool as its `input_schema`.

    Raises:
        InvalidConfig: `invalid_tool`: Anthropic would refuse it, and with it the whole request.
    """
    for keyword in _COMBINED:
        if keyword in parameters:
            raise _invalid(f"tool {name!r}: Anthropic takes no `{keyword}` at the top level of the parameters")
    kind = parameters.get("type", "object")
    if kind != "object":
        raise _invalid(f"tool {name!r}: `type` at the top level of the parameters is {kind!r} and must be 'object'")
    for key in as_object(parameters.get("properties")):
        if not PROPERTY_NAME.fullmatch(key):
            raise _invalid(
                f"tool {name!r}: `properties` has {key!r}; names are of letters, digits, `_`, `.` and `-`, at most 64"
            )
    return {"type": "object", "properties": {}, **parameters}


def output_schema(schema: Mapping[str, Any]) -> Schema:
    """A schema of answers with what Anthropic refuses told in its description instead, as its own clients do it."""
    taken: Schema = {key: value for key, value in schema.items() if key in _KEPT}
    told = {key: value for key, value in schema.items() if key not in _KEPT}
    for keyword in ("$defs", "definitions"):
        if keyword in told:
            taken[keyword] = {name: output_schema(as_object(one)) for name, one in as_object(told.pop(keyword)).items()}
    for keyword in _COMBINED:
        if options := [output_schema(as_object(one)) for one in as_list(told.pop(keyword, None))]:
            taken["allOf" if keyword == "allOf" else "anyOf"] = options
    kinds = as_list(taken.get("type"))
    if kinds:
        return _any_of_types(schema, kinds)
    match taken.get("type"):
        case "object":
            _take_object(taken, told)
        case "array":
            _take_array(taken, told)
        case "string" if told.get("format") in FORMATS:
            taken["format"] = told.pop("format")
        case _:
            pass
    if told:
        hint = "{" + ", ".join(f"{key}: {value}" for key, value in told.items()) + "}"
        taken["description"] = "\n\n".join(part for part in (taken.get("description"), hint) if part)
    return taken


def _any_of_types(schema: Mapping[str, Any], kinds: list[Any]) -> Schema:
    """`{"type": [A, B]}` as one schema for each."""
    outer = {key: schema[key] for key in ("$defs", "definitions", "description", "title") if key in schema}
    inner = {key: value for key, value in schema.items() if key not in outer}
    options: list[Schema] = [{"type": "null"} if kind == "null" else {**inner, "type": kind} for kind in kinds]
    return output_schema({**outer, "anyOf": options})


def _take_object(taken: Schema, told: Schema) -> None:
    properties = as_object(told.pop("properties", None))
    told.pop("additionalProperties", None)
    taken["properties"] = {name: output_schema(as_object(one)) for name, one in properties.items()}
    taken["additionalProperties"] = False
    if required := as_list(told.pop("required", None)):
        taken["required"] = required


def _take_array(taken: Schema, told: Schema) -> None:
    if "items" in told:
        taken["items"] = output_schema(as_object(told.pop("items")))
    if told.get("minItems") in {0, 1}:
        taken["minItems"] = told.pop("minItems")


def _invalid(message: str) -> InvalidConfig:
    return InvalidConfig(message, hint="change the tool, or offer it to another model", code="invalid_tool")
