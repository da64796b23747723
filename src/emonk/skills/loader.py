"""Finds the skills of a directory. A skill that cannot be used is listed with the reason; the agent goes on."""

import os
import shutil
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

from emonk.errors import ConfigError, InvalidConfig
from emonk.skills.frontmatter import Frontmatter, missing, read_frontmatter
from emonk.skills.modules import tools_in
from emonk.skills.protocol import Runnable
from emonk.skills.script import script_tool
from emonk.skills.skill import Skill

_SKIPPED = frozenset({"__pycache__", "node_modules"})


def load_skills(directory: Path | str) -> tuple[Skill, ...]:
    """All skills under the directory, by path; a missing directory holds none.

    A skill is a folder with a `SKILL.md`. Its code is imported only when everything that it requires is there.
    Reads files and imports modules: call it before the loop runs, or in a thread.

    Raises:
        InvalidConfig: the directory cannot be read, or two skills or two tools have the same name.
    """
    root = Path(directory).absolute()
    skills = tuple(_load(path) for path in _search(root))
    check_names(skills)
    return skills


def check_names(skills: Sequence[Skill]) -> None:
    """No two skills that can be used share a name, and no two of their tools.

    Raises:
        InvalidConfig: two do.
    """
    owners: dict[tuple[str, str], Skill] = {}
    for skill in skills:
        if not skill.available:
            continue
        for kind, name in (("skill", skill.name), *(("tool", tool.name) for tool in skill.tools)):
            other = owners.setdefault((kind, name), skill)
            if other is not skill or (kind == "tool" and _count(skill, name) > 1):
                places = " and ".join(dict.fromkeys((_place(other), _place(skill))))
                raise InvalidConfig(f"two {kind}s are named {name!r}: in {places}", hint="rename one of them")


def _count(skill: Skill, tool: str) -> int:
    return sum(one.name == tool for one in skill.tools)


def _place(skill: Skill) -> str:
    return f"skill {skill.name}" if skill.path is None else str(skill.path)


def _search(root: Path) -> Iterator[Path]:
    if root.exists() and not root.is_dir():
        raise InvalidConfig(f"{root} is not a directory", hint="skills_dir names a directory of skill folders")
    for folder, below, files in os.walk(root, onerror=_unreadable):
        below[:] = sorted(name for name in below if name not in _SKIPPED and not name.startswith("."))
        if "SKILL.md" in files:
            yield Path(folder, "SKILL.md")


def _unreadable(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise InvalidConfig(f"{error.filename}: {error.strerror}") from error


def _load(path: Path) -> Skill:
    try:
        head, offset = read_frontmatter(path)
        if head.name != path.parent.name:
            raise InvalidConfig(f"{path}: name {head.name!r} must equal its folder's, {path.parent.name!r}")
    except ConfigError as error:
        return Skill(name=path.parent.name, description="", path=path, available=False, reason=str(error))
    reason = missing(head.requires, os.environ, shutil.which)
    try:
        tools = () if reason else _tools(head, path.parent)
        skill = _skill(head, path, offset, tools, reason)
        for tool in skill.tools:
            _ = tool.parameters
    except ConfigError as error:
        return _skill(head, path, offset, (), str(error))
    except Exception as error:  # noqa: BLE001 - code of others, such as an annotation that does something, may raise all
        return _skill(head, path, offset, (), f"{path}: {''.join(traceback.format_exception_only(error))}")
    return skill


def _tools(head: Frontmatter, folder: Path) -> tuple[Runnable, ...]:
    scripts = tuple(script_tool(entry, folder, head.requires.env) for entry in head.tools)
    return (*tools_in(folder, head.name), *scripts)


def _skill(head: Frontmatter, path: Path, offset: int | None, tools: Sequence[Runnable], reason: str) -> Skill:
    return Skill(
        name=head.name,
        description=head.description,
        tools=tools,
        triggers=head.triggers,
        risk=head.risk,
        path=path,
        available=not reason,
        reason=" ".join(reason.split()),
        body_offset=offset,
    )
