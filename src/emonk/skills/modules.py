"""Imports the Python files of a skill's folder, apart from everything else in the process."""

import importlib
import itertools
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from emonk.errors import ConfigError, SkillNotFound
from emonk.skills.function import Tool

_counter = itertools.count(1)


def tools_in(folder: Path, skill: str) -> tuple[Tool[..., Any], ...]:
    """All tools under a public name in the folder's `*.py` files; files that begin with `_` or `test_` are left out.

    The folder becomes a package of its own, so that its files may import each other with `from . import other`.

    Raises:
        SkillNotFound: a file cannot be imported; the message names file and line.
    """
    files = sorted(path for path in folder.glob("*.py") if not path.name.startswith(("_", "test_")))
    if not files:
        return ()
    package = ModuleType(f"emonk_skill_{next(_counter)}_{skill.replace('-', '_')}")
    package.__path__ = [str(folder)]
    sys.modules[package.__name__] = package
    importlib.invalidate_caches()
    found: dict[int, Tool[..., Any]] = {}
    for path in files:
        for tool in _tools(_module(f"{package.__name__}.{path.stem}", path)):
            found.setdefault(id(tool), tool)
    return tuple(found.values())


def _module(name: str, path: Path) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ConfigError:
        raise
    except BaseException as error:  # a file that raises SystemExit or an oddity of its own is broken, no more
        raise SkillNotFound(f"{_place(error, path)}: {_words(error)}") from error


def _tools(module: ModuleType) -> list[Tool[..., Any]]:
    values = [value for name, value in vars(module).items() if not name.startswith("_")]
    return [cast("Tool[..., Any]", value) for value in values if isinstance(value, Tool)]


def _words(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg}"
    return " ".join("".join(traceback.format_exception_only(error)).split())


def _place(error: BaseException, path: Path) -> str:
    """The last line within the skill's folder that led to the error."""
    folder = str(path.parent)
    if isinstance(error, SyntaxError) and error.filename and error.filename.startswith(folder):
        return f"{error.filename}: line {error.lineno}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(folder)]
    return f"{frames[-1].filename}: line {frames[-1].lineno}" if frames else str(path)
