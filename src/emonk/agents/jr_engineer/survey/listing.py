"""The files of a code base: what git tracks, or what a bounded walk finds."""

import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import msgspec

from emonk.agents.jr_engineer.review.processes import Processes
from emonk.agents.jr_engineer.review.repository import read_only_git
from emonk.errors import ConfigError

MOST_FILES = 50_000
_ASIDE = {"node_modules", "site-packages", "__pycache__", "venv", "target", "dist", "build"}


class Listing(msgspec.Struct, frozen=True):
    """Paths relative to the directory.

    Attributes:
        tracked: whether they come from git.
        cut: whether there are more than `MOST_FILES`.
    """

    paths: list[str]
    tracked: bool
    cut: bool


def list_files(directory: Path) -> Listing:
    """Regular files only: no symbolic link, not even that of a folder on the way, leads out of the directory."""
    tracked = _tracked(directory)
    candidates = _walk(directory) if tracked is None else iter(tracked)
    root = directory.resolve()
    real: Callable[[Path], bool] = cache(_is_real)
    paths: list[str] = []
    for path in candidates:
        full = root / path
        if not real(full.parent) or full.is_symlink() or not full.is_file():
            continue
        if len(paths) == MOST_FILES:
            return Listing(paths, tracked is not None, cut=True)
        paths.append(path)
    return Listing(paths, tracked is not None, cut=False)


def _is_real(folder: Path) -> bool:
    """Whether no symbolic link leads there; git's index may name folders that have become links since."""
    return folder.resolve() == folder


def _tracked(directory: Path) -> list[str] | None:
    """What git tracks below the directory; None where it is no repository, or git is not there."""
    try:
        listed = read_only_git(directory, Processes(), "ls-files", "-z")
    except ConfigError:
        return None
    if listed.status:
        return None
    return sorted(os.fsdecode(name) for name in listed.output.split(b"\0") if name) or None


def _walk(directory: Path) -> Iterator[str]:
    for folder, folders, names in os.walk(directory):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _ASIDE)
        yield from (os.path.relpath(os.path.join(folder, name), directory) for name in sorted(names))  # noqa: PTH118  os.walk gives text
