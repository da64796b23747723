"""The head of a `SKILL.md`, YAML between two lines of `---`: the open Agent Skills format and what emonk adds to it."""

import difflib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO, cast

import msgspec

from emonk.errors import InvalidConfig
from emonk.records import RiskLevel
from emonk.skills.schema import Schema

_LIMIT = 64 * 1024
_STANDARD = ("license", "compatibility", "metadata", "allowed-tools", "version")


class Requires(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What must be there: environment variables that are not empty, and programs on PATH."""

    env: tuple[str, ...] = ()
    bins: tuple[str, ...] = ()


class ScriptEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A `.sh` file of the skill's folder as a tool.

    `parameters` gives each one's JSON Schema (`type`, `description`, `default`, `enum`, `items`, bounds); one without
    a `default` is required, unless it says `required: false`. `timeout` is in seconds.
    """

    script: str
    name: str
    description: str
    parameters: dict[str, Schema] = {}
    triggers: tuple[str, ...] = ()
    risk: RiskLevel | None = None
    idempotent: bool = False
    timeout: float = 60.0


class Frontmatter(msgspec.Struct, frozen=True, kw_only=True):
    """What a skill says of itself; keys of others are left alone."""

    name: str
    description: str
    triggers: tuple[str, ...] = ()
    risk: RiskLevel | None = None
    requires: Requires = Requires()
    tools: tuple[ScriptEntry, ...] = ()


def read_frontmatter(path: Path) -> tuple[Frontmatter, int | None]:
    """The head, and the byte where the instructions begin: None when there are none.

    Raises:
        InvalidConfig: it cannot be read; the message names file and line.
    """
    try:
        with path.open("rb") as file:
            text = _head(file, path)
            offset = _body(file)
    except OSError as error:
        raise InvalidConfig(f"{path}: {error.strerror}") from error
    return _parse(text, path), offset


def _head(file: BinaryIO, path: Path) -> str:
    if file.readline().removeprefix(b"\xef\xbb\xbf").rstrip() != b"---":
        raise InvalidConfig(f"{path}: line 1: the file does not begin with a line ---", hint="see docs/skills.md")
    lines: list[bytes] = []
    size = 0
    for line in file:
        if line.rstrip() == b"---":
            return _decoded(b"".join(lines), path)
        lines.append(line)
        size += len(line)
        if size > _LIMIT:
            break
    raise InvalidConfig(f"{path}: line 1: no second line --- ends the frontmatter")


def _decoded(text: bytes, path: Path) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 2
        raise InvalidConfig(f"{path}: line {line}: this is not UTF-8") from error


def _body(file: BinaryIO) -> int | None:
    while line := file.readline():
        if line.strip():
            return file.tell() - len(line)
    return None


def _parse(text: str, path: Path) -> Frontmatter:
    import yaml  # noqa: PLC0415  30 ms that only an agent with skills should pay

    try:
        data = yaml.load(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 2 if mark else 1
        raise InvalidConfig(f"{path}: line {line}: not valid YAML: {error.problem}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise InvalidConfig(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
    try:
        _refuse_slips(data)
        return msgspec.convert(data, Frontmatter)
    except msgspec.ValidationError as error:
        problem, _, place = str(error).partition(" - at `$.")
        at = f" at {place.rstrip('`')}" if place else ""
        raise InvalidConfig(f"{path}: line {_line(text, place, problem)}: {problem}{at}") from error


def _refuse_slips(data: object) -> None:
    known = Frontmatter.__struct_fields__
    for key in map(str, cast("dict[object, object]", data)) if isinstance(data, dict) else ():
        near = difflib.get_close_matches(key, known, 1, 0.8)
        if near and key not in known and key not in _STANDARD:
            raise msgspec.ValidationError(f"unknown key `{key}`, did you mean `{near[0]}`?")


def _line(text: str, place: str, problem: str) -> int:
    """The line in the file of the innermost key that msgspec names, as far as it can be followed."""
    keys: list[str] = re.findall(r"[^.\[\]`]+|(?<=\[)\d+(?=\])", place)
    keys += re.findall(r"unknown (?:key|field) `([^`]+)`", problem)
    lines = text.splitlines()
    at = 0
    for key in keys:
        at = _advance(lines, at, key)
    return at + 2


def _advance(lines: list[str], at: int, key: str) -> int:
    if key.isdigit():
        items = [number for number, line in enumerate(lines[at:], at) if re.match(r"\s*- ", line)]
        return items[int(key)] if int(key) < len(items) else at
    pattern = re.compile(rf"[\s-]*[\"']?{re.escape(key)}[\"']?\s*:")
    return next((number for number, line in enumerate(lines[at:], at) if pattern.match(line)), at)


def missing(requires: Requires, environment: Mapping[str, str], which: Callable[[str], str | None]) -> str:
    """What the skill needs and does not find, in one line; empty when all is there."""
    lacking = [f"environment variable {name} is not set" for name in requires.env if not environment.get(name)]
    lacking += [f"program {name} is not installed" for name in requires.bins if which(name) is None]
    return "; ".join(lacking)
