"""Shell scripts as tools: `bash` runs the file, arguments come as JSON on standard input and as `ARG_<NAME>`."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from emonk.errors import AgentError, InvalidConfig
from emonk.records import Effect
from emonk.skills.arguments import Parameters
from emonk.skills.effect import Finding, Happened, NotHappened
from emonk.skills.frontmatter import ScriptEntry
from emonk.skills.function import Tool
from emonk.skills.process import run_program
from emonk.skills.protocol import Context
from emonk.skills.script_parameters import script_parameters, variable
from emonk.skills.signature import Signature

_INHERITED = ("PATH", "HOME", "LANG")
_ERROR_LINES = 20
_ENV_LIMIT = 64 * 1024  # Linux refuses a single string of 128 KiB in the environment
_ENV_TOTAL = 256 * 1024  # macOS takes 1 MiB for all of it, Linux a quarter of the stack
_ENTRY_COST = 16  # for the pointer to a variable, its = and its end
_REFUSED = 64  # EX_USAGE of sysexits.h: the command was used in a wrong way


def script_tool(entry: ScriptEntry, folder: Path, variables: Sequence[str] = ()) -> Tool[..., Any]:
    """The tool of one `.sh` file in a skill's folder.

    The script runs in the current directory; `SKILL_DIR` names its own folder. It sees PATH, HOME, LANG, the
    `variables` that the skill declared, and its arguments; nothing else of the environment. Arguments of more than
    64 KiB, and the longest ones where all together have more than 256 KiB, come on standard input only. When it ends,
    whatever it started ends with it.

    The script of an effect sees `EFFECT_KEY`. When it fails, whether it acted is not known, unless it ends with exit
    code 64: then it did not. Its `reconcile` script gets the effect as JSON on standard input, and the arguments as
    variables: exit code 0 says that it happened, with the result on standard output, 1 that it did not, and anything
    else that it cannot tell.

    Raises:
        InvalidConfig: a file is not there, a parameter cannot be described, or only an effect can be as it says.
    """
    path = _script(entry.script, folder)
    find = _script(entry.reconcile, folder) if entry.reconcile else None
    if shutil.which("bash") is None:
        raise InvalidConfig("program bash is not installed")
    parameters = script_parameters(entry.name, entry.parameters)
    defaults = {each.name: each.schema["default"] for each in parameters if "default" in each.schema}

    async def run(_context: Context, **arguments: Any) -> str:
        return await _run(path, defaults | arguments, variables, _context.effect_key)

    async def reconcile(effect: Effect, _context: Context) -> Finding:
        return await _find(find, effect, variables) if find else None

    tool: Tool[..., Any] = Tool(
        run,
        name=entry.name,
        risk=entry.risk,
        idempotent=entry.idempotent,
        effect=entry.effect,
        triggers=entry.triggers,
        timeout=entry.timeout,
        signature=Signature(entry.description, Parameters(entry.name, parameters), "_context"),
    )
    if find:
        tool.reconcile(reconcile)
    return tool


def _script(name: str, folder: Path) -> Path:
    path = (folder / name).resolve()
    if path.suffix != ".sh" or not path.is_file() or not path.is_relative_to(folder.resolve()):
        raise InvalidConfig(f"{folder}: {name!r} is no .sh file of this skill")
    return path


async def _find(script: Path, effect: Effect, variables: Sequence[str]) -> Finding:
    environment = _environment(script, effect.arguments, variables, effect.key)
    finished = await run_program(["bash", str(script)], stdin=msgspec.json.encode(effect), environment=environment)
    match finished.code:
        case 0:
            return Happened(finished.output)
        case 1:
            return NotHappened(finished.output.strip())
        case _:
            return None


def _environment(script: Path, arguments: dict[str, Any], variables: Sequence[str], effect_key: str) -> dict[str, str]:
    environment = {name: os.environ[name] for name in (*_INHERITED, *variables) if name in os.environ}
    named = {"EFFECT_KEY": effect_key} if effect_key else {}
    return environment | {"SKILL_DIR": str(script.parent), **named, **_as_variables(arguments)}


async def _run(script: Path, arguments: dict[str, Any], variables: Sequence[str], effect_key: str) -> str:
    environment = _environment(script, arguments, variables, effect_key)
    finished = await run_program(["bash", str(script)], stdin=msgspec.json.encode(arguments), environment=environment)
    if finished.code == 0:
        return finished.output
    how = f"ended with exit code {finished.code}" if finished.code > 0 else f"was ended by signal {-finished.code}"
    said = (finished.errors.strip() or finished.output.strip()).splitlines()[-_ERROR_LINES:]
    code = "script_refused" if finished.code == _REFUSED else "script_failed"
    raise AgentError("\n".join([f"{script.name} {how}", *said]), code=code)


def _as_variables(arguments: dict[str, Any]) -> dict[str, str]:
    """Strings as they are, the rest as JSON, the shortest first; what the environment cannot carry is left out."""
    texts = {
        variable(name): value if isinstance(value, str) else msgspec.json.encode(value).decode()
        for name, value in arguments.items()
    }
    sizes = {name: len(name.encode()) + len(text.encode()) + _ENTRY_COST for name, text in texts.items()}
    carried: dict[str, str] = {}
    room = _ENV_TOTAL
    for name in sorted(texts, key=sizes.__getitem__):
        room -= sizes[name]
        if sizes[name] > _ENV_LIMIT or room < 0:
            break
        if "\0" not in texts[name]:
            carried[name] = texts[name]
    return carried
