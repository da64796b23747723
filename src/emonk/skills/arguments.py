"""A tool's parameters: what the model is told of them, and whether what it sends fits."""

import difflib
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from emonk.errors import InvalidArguments
from emonk.skills.schema import Schema


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """One parameter: the Python type that checks it and the schema that describes it."""

    name: str
    kind: Any
    schema: Schema
    required: bool


class Parameters:
    """All parameters of the tool `owner`, in order."""

    def __init__(self, owner: str, parameters: Sequence[Parameter]) -> None:
        self._owner = owner
        self._by_name = {parameter.name: parameter for parameter in parameters}

    @cached_property
    def schema(self) -> Schema:
        """A JSON Schema object without references."""
        schema: Schema = {"type": "object", "properties": {name: p.schema for name, p in self._by_name.items()}}
        required = [name for name, parameter in self._by_name.items() if parameter.required]
        return schema | {"required": required} if required else schema

    @cached_property
    def defaults(self) -> dict[str, Any]:
        """What a parameter is where it is left out, for those that have a default other than None."""
        return {name: p.schema["default"] for name, p in self._by_name.items() if "default" in p.schema}

    def validate(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments as their Python types. What a model commonly errs in passes: `"3"` for 3, null for left out.

        Raises:
            InvalidArguments: some are unknown, missing or wrong; the hint names the right ones.
        """
        values: dict[str, Any] = {}
        problems = [self._unknown(name) for name in arguments if name not in self._by_name]
        for name, parameter in self._by_name.items():
            try:
                if arguments.get(name) is not None:
                    values[name] = _convert(arguments[name], parameter.kind)
                elif parameter.required:
                    problems.append(f"`{name}` is missing")
            except (msgspec.ValidationError, ValueError) as error:
                problems.append(_wrong(parameter, arguments[name], error))
        if problems:
            raise InvalidArguments(f"{self._owner} refused its arguments: {'; '.join(problems)}", hint=self._usage())
        return values

    def _unknown(self, name: str) -> str:
        near = difflib.get_close_matches(name, self._by_name, 1)
        return f"`{name}` is no parameter" + (f", did you mean `{near[0]}`?" if near else "")

    def _usage(self) -> str:
        if not self._by_name:
            return f"{self._owner} takes no arguments"
        return f"{self._owner} takes {', '.join(_described(parameter) for parameter in self._by_name.values())}"


def _convert(value: Any, kind: Any) -> Any:
    try:
        return msgspec.convert(value, kind, strict=False, dec_hook=_hook)
    except msgspec.ValidationError:
        if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
            return msgspec.json.decode(value, type=kind, strict=False, dec_hook=_hook)
        raise


def _hook(kind: type, value: Any) -> Any:
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise ValueError(f"Expected `{kind.__name__}`, got `{type(value).__name__}`")


def _wrong(parameter: Parameter, value: Any, error: Exception) -> str:
    problem = f"`{parameter.name}`: {error}"
    choices = [str(choice) for choice in parameter.schema.get("enum", ())]
    near = difflib.get_close_matches(str(value).lower(), choices, 1)
    return f"{problem}, did you mean {near[0]!r}?" if near else problem


def _described(parameter: Parameter) -> str:
    schema = parameter.schema
    kind = " | ".join(map(repr, schema["enum"])) if "enum" in schema else str(schema.get("type", "value"))
    if parameter.required:
        return f"`{parameter.name}` ({kind}, required)"
    return (
        f"`{parameter.name}` ({kind}, default {schema['default']!r})"
        if "default" in schema
        else f"`{parameter.name}` ({kind})"
    )
