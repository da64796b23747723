"""From a Python type to the JSON Schema that every provider accepts.

No references, no titles, one `type` wherever there is a value: what Gemini, OpenAI and Anthropic all take.
"""

import datetime as dt
import math
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec

from emonk.errors import InvalidConfig

Schema = dict[str, Any]

# msgspec names the format of these only where they must have a time zone.
_TIMES: dict[Any, Schema] = {dt.datetime: {"format": "date-time"}, dt.time: {"format": "time"}}
_DROPPED = frozenset({"title", "discriminator", "uniqueItems", "examples", "multipleOf", "propertyNames"})


def json_schema(kind: Any, where: str) -> Schema:
    """The schema of a type, everything inlined.

    Raises:
        InvalidConfig: no model can be told this type; `where` says whose it is.
    """
    try:
        (schema,), components = msgspec.json.schema_components([kind], schema_hook=_hook, ref_template="{name}")
        return _Inliner(components, where).plain(schema | _TIMES.get(_bare(kind), {}))
    except (TypeError, RecursionError) as error:
        raise unsupported(where, str(error).splitlines()[-1]) from error


def unsupported(where: str, reason: str) -> InvalidConfig:
    """The error for a type that no model can be told."""
    return InvalidConfig(
        f"{where} has a type that cannot be described to a model: {reason}",
        hint="use str, int, float, bool, Literal, Enum, list[...], dict[str, ...], a Struct, dataclass or TypedDict",
    )


def _hook(kind: type) -> Schema:
    if kind is Path:
        return {"type": "string"}
    raise NotImplementedError


def _bare(kind: Any) -> Any:
    """The type without its annotations and its None."""
    if get_origin(kind) is Annotated:
        return _bare(get_args(kind)[0])
    choices = [choice for choice in get_args(kind) if choice is not NoneType]
    return choices[0] if get_origin(kind) in (Union, UnionType) and len(choices) == 1 else kind


class _Inliner:
    """Replaces references by what they name, and words that some provider refuses by words that all know."""

    def __init__(self, components: dict[str, Any], where: str) -> None:
        self._components = components
        self._where = where
        self._open: list[str] = []

    def plain(self, node: Schema) -> Schema:
        node = {key: value for key, value in node.items() if key not in _DROPPED}
        reference = node.pop("$ref", None)
        if reference is not None:
            return {**self._named(reference), **self._plain(node, complete=False)}
        return self._plain(node, complete=True)

    def _named(self, name: str) -> Schema:
        if name in self._open:
            raise unsupported(self._where, f"{name} contains itself")
        self._open.append(name)
        schema = self.plain(self._components[name])
        self._open.pop()
        return schema

    def _plain(self, node: Schema, *, complete: bool) -> Schema:
        if "contentEncoding" in node:
            raise unsupported(self._where, "bytes")
        if "prefixItems" in node:
            raise unsupported(self._where, "a tuple of fixed length")
        if "enum" in node:
            node = _typed_enum(node)
        if complete and "type" not in node and "anyOf" not in node:
            raise unsupported(self._where, "Any")
        if node.get("type") == "array" and "items" not in node:
            raise unsupported(self._where, "a list that does not say what it holds")
        return self._children(_told_bounds(_told_format(node)))

    def _children(self, node: Schema) -> Schema:
        for key in ("items", "additionalProperties"):
            if isinstance(node.get(key), dict):
                node[key] = self.plain(node[key])
        if "anyOf" in node:
            node["anyOf"] = [self.plain(choice) for choice in node["anyOf"]]
        if "properties" in node:
            node["properties"] = {
                name: _without_null_default(self.plain(child)) for name, child in node["properties"].items()
            }
        return node


def optional(schema: Schema) -> Schema:
    """The schema without its `null`: a parameter that may be left out need not be null as well."""
    choices = [choice for choice in schema.get("anyOf", ()) if choice.get("type") != "null"]
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    match choices:
        case []:
            return schema
        case [only]:
            return {**only, **rest}
        case _:
            return {"anyOf": choices, **rest}


def _typed_enum(node: Schema) -> Schema:
    kinds: dict[str, list[Any]] = {}
    for value in node["enum"]:
        kinds.setdefault(_type_name(value), []).append(value)
    choices: list[Schema] = [
        {"type": name} if name == "null" else {"type": name, "enum": values} for name, values in kinds.items()
    ]
    rest = {key: value for key, value in node.items() if key not in ("enum", "type")}
    return {**choices[0], **rest} if len(choices) == 1 else {"anyOf": choices, **rest}


def _type_name(value: object) -> str:
    match value:
        case bool():
            return "boolean"
        case int():
            return "integer"
        case str():
            return "string"
        case _:
            return "null"


def _told_format(node: Schema) -> Schema:
    """Gemini answers 400 to a string format other than `date-time`: say it in words."""
    if node.get("format") in (None, "date-time"):
        return node
    words = f"{node.get('description', '')} (format: {node['format']})".strip()
    return {key: value for key, value in node.items() if key != "format"} | {"description": words}


def _told_bounds(node: Schema) -> Schema:
    """Gemini knows inclusive bounds only: the next number is the same bound."""
    for exclusive, inclusive, direction in (("exclusiveMinimum", "minimum", 1), ("exclusiveMaximum", "maximum", -1)):
        if exclusive in node:
            bound = node.pop(exclusive)
            whole = node.get("type") == "integer"
            node[inclusive] = bound + direction if whole else math.nextafter(bound, direction * math.inf)
    return node


def _without_null_default(node: Schema) -> Schema:
    return {key: value for key, value in node.items() if key != "default" or value is not None}
