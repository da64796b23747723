"""Shell scripts as tools: `bash` runs the file, arguments come as JSON on standard input and as `ARG_<NAME>`."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from emonk.errors import AgentError, InvalidConfig
from emonk.skills.arguments import Parameter, Parameters
from emonk.skills.frontmatter import ScriptEntry
from emonk.skills.function import Tool
from emonk.skills.process import run_program
from emonk.skills.protocol import Context
from emonk.skills.schema import Schema
from emonk.skills.signature import Signature

_INHERITED = ("PATH", "HOME", "LANG")
_ERROR_LINES = 20
_ENV_LIMIT = 64 * 1024  # Linux refuses a single string of 128 KiB in the environment

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
    """What a script's parameter may say: a small part of JSON Schema."""

    type: Literal["string", "integer", "number", "boolean", "array", "object"] = "string"
    description: str = ""
    default: Any = None
    required: bool | None = None
    enum: list[str | int | float] = []
    items: dict[str, Any] = {}
    minimum: float | None = None
    maximum: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    min_items: int | None = None
    max_items: int | None = None
    pattern: str | None = None


def script_tool(entry: ScriptEntry, folder: Path, variables: Sequence[str] = ()) -> Tool[..., Any]:
    """The tool of one `.sh` file in a skill's folder.

    The script runs in the current directory; `SKILL_DIR` names its own folder. It sees PATH, HOME, LANG, the
    `variables` that the skill declared, and its arguments; nothing else of the environment. When it ends, whatever it
    started ends with it.

    Raises:
        InvalidConfig: the file is not there, or a parameter cannot be described.
    """
    path = (folder / entry.script).resolve()
    if path.suffix != ".sh" or not path.is_file() or not path.is_relative_to(folder.resolve()):
        raise InvalidConfig(f"{folder}: {entry.script!r} is no .sh file of this skill")
    if shutil.which("bash") is None:
        raise InvalidConfig("program bash is not installed")
    parameters = [_parameter(entry, name, schema) for name, schema in entry.parameters.items()]
    defaults = {each.name: each.schema["default"] for each in parameters if "default" in each.schema}

    async def run(_context: Context, **arguments: Any) -> str:
        return await _run(path, defaults | arguments, variables)

    return Tool(
        run,
        name=entry.name,
        risk=entry.risk,
        idempotent=entry.idempotent,
        triggers=entry.triggers,
        timeout=entry.timeout,
        signature=Signature(entry.description, Parameters(entry.name, parameters), "_context"),
    )


async def _run(script: Path, arguments: dict[str, Any], variables: Sequence[str]) -> str:
    environment = {name: os.environ[name] for name in (*_INHERITED, *variables) if name in os.environ}
    environment |= {"SKILL_DIR": str(script.parent), **_as_variables(arguments)}
    finished = await run_program(["bash", str(script)], stdin=msgspec.json.encode(arguments), environment=environment)
    if finished.code == 0:
        return finished.output
    how = f"ended with exit code {finished.code}" if finished.code > 0 else f"was ended by signal {-finished.code}"
    said = (finished.errors.strip() or finished.output.strip()).splitlines()[-_ERROR_LINES:]
    raise AgentError("\n".join([f"{script.name} {how}", *said]), code="script_failed")


def _as_variables(arguments: dict[str, Any]) -> dict[str, str]:
    """Strings as they are, the rest as JSON; what an environment cannot carry is on standard input only."""
    texts = {
        f"ARG_{name.upper()}": value if isinstance(value, str) else msgspec.json.encode(value).decode()
        for name, value in arguments.items()
    }
    return {name: text for name, text in texts.items() if len(text.encode()) <= _ENV_LIMIT and "\0" not in text}


def _parameter(entry: ScriptEntry, name: str, schema: Schema) -> Parameter:
    where = f"tool {entry.name}: parameter {name}"
    if not name.isidentifier():
        raise InvalidConfig(f"{where}: the name must be made of letters, digits and _")
    try:
        told = msgspec.convert(schema, ScriptParameter)
        kind = _kind(schema)
        if told.default is not None:
            msgspec.convert(told.default, kind)
    except (msgspec.ValidationError, TypeError, KeyError) as error:
        raise InvalidConfig(f"{where}: {error}") from error
    required = told.default is None if told.required is None else told.required
    shown = {"type": told.type} | {key: value for key, value in schema.items() if key != "required"}
    if told.type == "array":
        shown.setdefault("items", {"type": "string"})
    return Parameter(name=name, kind=kind, schema=shown, required=required)


def _kind(schema: Schema) -> Any:
    kind: Any = _KINDS.get(schema.get("type", "string"))
    if schema.get("enum"):
        kind = Literal[tuple(schema["enum"])]
    elif kind is None:
        kind = list[_kind(schema.get("items", {}))]
    bounds = {ours: schema[theirs] for theirs, ours in _BOUNDS.items() if theirs in schema}
    return Annotated[kind, msgspec.Meta(**bounds)] if bounds else kind
