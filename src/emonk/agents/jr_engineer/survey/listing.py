"""The files of a code base: what git tracks, or what a bounded walk finds."""

import os
from collections.abc import Iterator
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
    """Regular files only: no symbolic link leads out of the directory."""
    tracked = _tracked(directory)
    candidates = _walk(directory) if tracked is None else iter(tracked)
    paths: list[str] = []
    for path in candidates:
        full = directory / path
        if full.is_symlink() or not full.is_file():
            continue
        if len(paths) == MOST_FILES:
            return Listing(paths, tracked is not None, cut=True)
        paths.append(path)
    return Listing(paths, tracked is not None, cut=False)


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
