"""What a `SKILL.md` says of a script's parameters: a small part of JSON Schema, checked before any call."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from emonk.errors import InvalidConfig
from emonk.skills.arguments import Parameter
from emonk.skills.schema import Schema

_KINDS: dict[str, Any] = {"string": str, "integer": int, "number": float, "boolean": bool, "object": dict[str, Any]}
_BOUNDS = {
    "minimum": "ge",
    "maximum": "le",
    "minLength": "min_length",
    "maxLength": "max_length",
    "minItems": "min_length",
    "maxItems": "max_length",
    "pattern": "pattern",
}


class ScriptParameter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """What a script's parameter, or an item of one, may say."""

    type: Literal["string", "integer", "number", "boolean", "array", "object"] = "string"
    description: str = ""
    default: Any = None
    required: bool | None = None
    enum: list[str | int] = []
    items: dict[str, Any] = {}
    minimum: float | None = None
    maximum: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    min_items: int | None = None
    max_items: int | None = None
    pattern: str | None = None


def script_parameters(tool: str, schemas: Mapping[str, Schema]) -> list[Parameter]:
    """The parameters of a tool.

    Raises:
        InvalidConfig: one cannot be described to a model, or would refuse every call; the message names it.
    """
    parameters = [_parameter(f"tool {tool}: parameter {name}", name, schema) for name, schema in schemas.items()]
    seen: dict[str, str] = {}
    for name in schemas:
        if (other := seen.setdefault(variable(name), name)) != name:
            raise InvalidConfig(f"tool {tool}: parameter {name}: {variable(name)} is that of {other} already")
    return parameters


def variable(name: str) -> str:
    """The environment variable that carries the argument."""
    return f"ARG_{name.upper()}"


def _parameter(where: str, name: str, schema: Schema) -> Parameter:
    if not name.isidentifier():
        raise InvalidConfig(f"{where}: the name must be made of letters, digits and _")
    try:
        told = msgspec.convert(schema, ScriptParameter)
        kind = _kind(schema)
        if told.default is not None:
            msgspec.convert(told.default, kind)
        if msgspec.json.decode(msgspec.json.encode(schema)) != schema:
            raise ValueError("it holds a number that JSON does not have")
    except (TypeError, ValueError, OverflowError, NotImplementedError, re.error) as error:
        # What msgspec cannot check it says in one line of its own, in exceptions of all these kinds.
        raise InvalidConfig(f"{where}: {str(error).splitlines()[0]}") from error
    required = told.default is None if told.required is None else told.required
    shown = {"type": told.type} | {key: value for key, value in schema.items() if key != "required"}
    if told.type == "array":
        shown.setdefault("items", {"type": "string"})
    return Parameter(name=name, kind=kind, schema=shown, required=required)


def _kind(schema: Schema) -> Any:
    """The Python type that checks a value; that msgspec takes it is certain only once a decoder was made of it."""
    told = msgspec.convert(schema, ScriptParameter)
    kind: Any = list[_kind(told.items)] if told.type == "array" else _KINDS[told.type]
    if told.enum:
        for choice in told.enum:
            msgspec.convert(choice, kind)
        kind = Literal[tuple(told.enum)]
    bounds = {ours: schema[theirs] for theirs, ours in _BOUNDS.items() if schema.get(theirs) is not None}
    kind = Annotated[kind, msgspec.Meta(**bounds)] if bounds else kind
    msgspec.json.Decoder(kind)
    return kind
