"""Reads a Python function as a tool: its parameters, their descriptions, and whether it wants the call's context."""

import inspect
from collections.abc import Callable
from types import NoneType, SimpleNamespace, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec

from emonk.errors import InvalidConfig
from emonk.skills.arguments import Parameter, Parameters
from emonk.skills.protocol import Context
from emonk.skills.schema import Schema, json_schema, optional

_VARIADIC = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}


class Signature(msgspec.Struct, frozen=True):
    """What a function tells a model. `context` is the name of the parameter that takes the call's `Context`."""

    description: str
    parameters: Parameters
    context: str | None


def read(function: Callable[..., Any], tool: str) -> Signature:
    """Read the signature and the Google-style docstring.

    Raises:
        InvalidConfig: a parameter has no annotation, or one that no model can be told.
    """
    description, told = _docstring(function)
    declared = list(inspect.signature(function).parameters.values())
    hints = _hints(function, declared)
    context = declared[0].name if declared and hints.get(declared[0].name) is Context else None
    parameters = [
        _parameter(parameter, hints, told.get(parameter.name, ""), _where(function, parameter))
        for parameter in declared
        if parameter.name != context
    ]
    return Signature(description or tool.replace("_", " "), Parameters(tool, parameters), context)


def _docstring(function: Callable[..., Any]) -> tuple[str, dict[str, str]]:
    text = inspect.getdoc(function) or ""
    if not text:
        return "", {}
    from docstring_parser import DocstringStyle, parse  # noqa: PLC0415  10 ms that only a schema needs

    parsed = parse(text, style=DocstringStyle.GOOGLE)
    told = {parameter.arg_name: " ".join((parameter.description or "").split()) for parameter in parsed.params}
    return (parsed.description or "").strip(), told


def _hints(function: Callable[..., Any], declared: list[inspect.Parameter]) -> dict[str, Any]:
    for parameter in declared:
        if parameter.annotation is inspect.Parameter.empty:
            raise InvalidConfig(
                f"{_where(function, parameter)} has no annotation", hint="a model is told the types of all parameters"
            )
    annotated = SimpleNamespace(__annotations__={parameter.name: parameter.annotation for parameter in declared})
    try:
        return get_type_hints(annotated, globalns=getattr(function, "__globals__", {}), include_extras=True)
    except (NameError, TypeError, SyntaxError) as error:
        raise InvalidConfig(
            f"tool function {_name(function)}: an annotation cannot be resolved: {error}",
            hint="import its types at run time, not only under TYPE_CHECKING",
        ) from error


def _parameter(parameter: inspect.Parameter, hints: dict[str, Any], told: str, where: str) -> Parameter:
    if parameter.kind in _VARIADIC or parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
        raise InvalidConfig(f"{where} is variadic or positional-only", hint="a tool is called with named arguments")
    kind = hints[parameter.name]
    if kind is Context:
        raise InvalidConfig(f"{where} is a Context, but not the first parameter")
    nullable = _nullable(kind)
    schema = json_schema(kind, where)
    schema = optional(schema) if nullable else schema
    if told:
        schema["description"] = told
    required = parameter.default is inspect.Parameter.empty and not nullable
    return Parameter(name=parameter.name, kind=kind, schema=_with_default(schema, parameter.default), required=required)


def _with_default(schema: Schema, default: Any) -> Schema:
    if default is inspect.Parameter.empty or default is None:
        return schema
    return schema | {"default": msgspec.to_builtins(default, enc_hook=str)}


def _nullable(kind: Any) -> bool:
    if get_origin(kind) is Annotated:
        return _nullable(get_args(kind)[0])
    return get_origin(kind) in (Union, UnionType) and NoneType in get_args(kind)


def _where(function: Callable[..., Any], parameter: inspect.Parameter) -> str:
    return f"tool function {_name(function)}: parameter {_VARIADIC.get(parameter.kind, '')}{parameter.name}"


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__qualname__", repr(function))
