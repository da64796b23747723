"""The head of a `SKILL.md`, YAML between two lines of `---`: the open Agent Skills format and what emonk adds to it."""

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, BinaryIO

import msgspec

from emonk.config.misfit import fit
from emonk.config.reader import Value, mistake, read
from emonk.errors import InvalidConfig
from emonk.records import RiskLevel
from emonk.skills.schema import Schema

_LIMIT = 64 * 1024
_LONGEST = 7 * 86_400.0  # seconds; also refuses what is no number
_STANDARD = ("license", "compatibility", "metadata", "allowed-tools", "version")


class Requires(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What must be there: environment variables that are not empty, and programs on PATH."""

    env: tuple[str, ...] = ()
    bins: tuple[str, ...] = ()


class ScriptEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A `.sh` file of the skill's folder as a tool.

    `parameters` gives each one's JSON Schema (`type`, `description`, `default`, `enum`, `items`, bounds); one without
    a `default` is required, unless it says `required: false`. `timeout` is in seconds. `effect` is true or the account
    in whose name it acts; `reconcile` is another `.sh` file, which finds out whether it did.
    """

    script: str
    name: str
    description: str
    parameters: dict[str, Schema] = {}
    triggers: tuple[str, ...] = ()
    risk: RiskLevel | None = None
    idempotent: bool = False
    effect: bool | str = False
    reconcile: str = ""
    timeout: Annotated[float, msgspec.Meta(gt=0, le=_LONGEST)] = 60.0


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
        raise mistake(str(path), 1, (), "the file does not begin with a line ---", "see docs/skills.md")
    lines: list[bytes] = []
    size = 0
    for line in file:
        if line.rstrip() == b"---":
            return _decoded(b"".join(lines), path)
        lines.append(line)
        size += len(line)
        if size > _LIMIT:
            break
    raise mistake(str(path), 1, (), "no second line --- ends the frontmatter")


def _decoded(text: bytes, path: Path) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 2
        raise mistake(str(path), line, (), "is not UTF-8", "save the file as UTF-8") from error


def _body(file: BinaryIO) -> int | None:
    while line := file.readline():
        if line.strip():
            return file.tell() - len(line)
    return None


def _parse(text: str, path: Path) -> Frontmatter:
    file = str(path)
    return fit(_own(read(text, file, first_line=2), file), Frontmatter, file)


def _own(head: Value, file: str) -> Value:
    """The head without the keys of others, none of which may be a slip of the pen."""
    known = Frontmatter.__struct_fields__
    for key, item in head.items.items() if head.is_mapping else ():
        near = get_close_matches(str(key), known, 1, 0.8)
        if near and key not in known and key not in _STANDARD:
            raise mistake(file, item.line, (key,), "is no known key", f"did you mean {near[0]}?")
    return head.only(known) if head.is_mapping else head


def missing(requires: Requires, environment: Mapping[str, str], which: Callable[[str], str | None]) -> str:
    """What the skill needs and does not find, in one line; empty when all is there."""
    lacking = [f"environment variable {name} is not set" for name in requires.env if not environment.get(name)]
    lacking += [f"program {name} is not installed" for name in requires.bins if which(name) is None]
    return "; ".join(lacking)
