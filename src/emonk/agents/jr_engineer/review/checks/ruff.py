"""Runs ruff over base's and head's versions of the changed Python files, in isolation.

The files are written under neutral names: ruff never sees a path, a configuration file or a cache of the branch.
"""

import os
import re
import sys
import sysconfig
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

import msgspec

from emonk.agents.jr_engineer.review.checks.rules import SELECT, is_noise
from emonk.agents.jr_engineer.review.comparison import Comparison
from emonk.agents.jr_engineer.review.processes import Processes
from emonk.agents.jr_engineer.review.source import ChangedFile, Source
from emonk.errors import InfraError

SYNTAX = "invalid-syntax"
_LATER_SYNTAX = re.compile(r"on Python 3\.\d+ \(syntax was ")
_OLDEST, _NEWEST = 7, 13
_LOWER_BOUND = re.compile(r"(?:>=|~=|==|\^|>)\s*3\.(\d+)")
_REQUIRES = re.compile(r"^\s*(?:requires-python|python_requires|python)\s*=\s*([^\n]*)", re.MULTILINE)


class _Position(msgspec.Struct, frozen=True):
    row: int


class _Diagnostic(msgspec.Struct, frozen=True):
    code: str | None
    message: str
    filename: str
    location: _Position
    end_location: _Position
    url: str | None = None


class Hit(msgspec.Struct, frozen=True):
    """One of ruff's diagnostics in one version of a file; lines as git counts them."""

    code: str
    message: str
    line: int
    end_line: int
    text: str
    url: str

    @property
    def late_syntax(self) -> bool:
        """Whether the syntax is right and only too new for the Python that the project supports."""
        return self.code == SYNTAX and _LATER_SYNTAX.search(self.message) is not None

    @property
    def unreadable(self) -> bool:
        return self.code == SYNTAX and not self.late_syntax


class Hits(msgspec.Struct, frozen=True):
    """By position in the list of files: head as Python sees it, head without its `noqa`s, base without them."""

    head: dict[int, list[Hit]]
    head_all: dict[int, list[Hit]]
    base_all: dict[int, list[Hit]]


def run_ruff(comparison: Comparison, files: list[ChangedFile]) -> Hits:
    """Three runs, two at a time.

    Raises:
        InfraError: ruff is not there, or failed.
    """
    target = target_version(comparison)
    scratch = comparison.scratch
    _write(scratch / "head", ((file.path, file.head) for file in files))
    _write(scratch / "base", ((file.change.old_path, file.base) for file in files))
    version = target_options(target)
    runs = [("head", version), ("head", ["--ignore-noqa", *version]), ("base", ["--ignore-noqa", *version])]
    head, head_all, base_all = _run_all(comparison.repository.processes, scratch, runs)
    declared = target is not None
    return Hits(
        _by_file(head, files, "head", declared=declared),
        _by_file(head_all, files, "head", declared=declared),
        _by_file(base_all, files, "base", declared=declared),
    )


def _run_all(processes: Processes, scratch: Path, runs: list[tuple[str, list[str]]]) -> list[list[_Diagnostic]]:
    with ThreadPoolExecutor(2) as pool:
        pending = [pool.submit(_run, processes, scratch / side, options) for side, options in runs]
        try:
            return [task.result() for task in pending]
        except KeyboardInterrupt:
            processes.cancel()
            raise


def target_version(comparison: Comparison) -> int | None:
    """The minor version of the oldest Python that base's own packaging metadata names, read as data."""
    for path in ("pyproject.toml", "setup.cfg", "setup.py"):
        for declared in _REQUIRES.findall(comparison.read_base(path)):
            if bounds := _LOWER_BOUND.findall(declared):
                return min(max(_OLDEST, *map(int, bounds)), _NEWEST)
    return None


def target_options(target: int | None) -> list[str]:
    """Undeclared, newer syntax is not held against anybody."""
    return ["--target-version", f"py3{_NEWEST if target is None else target}"]


def ruff_version(processes: Processes, directory: Path) -> str:
    """Raises: InfraError: ruff is not there."""
    return _call(processes, directory, ["--version"]).decode().strip().removeprefix("ruff ")


def _write(directory: Path, versions: Iterable[tuple[str, Source]]) -> None:
    directory.mkdir()
    for index, (path, source) in enumerate(versions):
        if source.text is not None:
            neutral = directory / f"n{index}" / _neutral_name(path)
            neutral.parent.mkdir()
            neutral.write_bytes(source.text.encode("utf-8", "replace"))


def _neutral_name(path: str) -> str:
    name = PurePosixPath(path).name
    if name in {"__init__.py", "__init__.pyi"}:
        return name
    return "module.pyi" if name.endswith(".pyi") else "module.py"


def _run(processes: Processes, directory: Path, options: list[str]) -> list[_Diagnostic]:
    fixed = ["check", "--isolated", "--no-cache", "--quiet", "--exit-zero", "--no-fix", "--output-format=json"]
    output = _call(processes, directory, [*fixed, f"--select={SELECT}", *options, "."])
    return msgspec.json.decode(output or b"[]", type=list[_Diagnostic])


def _call(processes: Processes, directory: Path, arguments: list[str]) -> bytes:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RUFF_", "PYTHON"))}
    done = processes.run([*_program(), *arguments], cwd=directory, env={**inherited, "NO_COLOR": "1"})
    if done.status:
        raise InfraError(f"ruff failed: {done.complaint}", hint="pip install ruff")
    return done.output


def _program() -> list[str]:
    installed = Path(sysconfig.get_path("scripts")) / "ruff"
    return [str(installed)] if installed.is_file() else [sys.executable, "-I", "-m", "ruff"]


def _by_file(found: list[_Diagnostic], files: list[ChangedFile], side: str, *, declared: bool) -> dict[int, list[Hit]]:
    hits: dict[int, list[Hit]] = {}
    for diagnostic in found:
        index = int(Path(diagnostic.filename).parent.name[1:])
        file = files[index]
        source, path = (file.head, file.path) if side == "head" else (file.base, file.change.old_path)
        hit = _hit(diagnostic, source)
        if hit.late_syntax and not declared:
            continue
        if not is_noise(hit.code, hit.message, hit.text, path=path, test=file.test):
            hits.setdefault(index, []).append(hit)
    return hits


def _hit(diagnostic: _Diagnostic, source: Source) -> Hit:
    line = source.git_line(diagnostic.location.row)
    end = max(line, source.git_line(diagnostic.end_location.row))
    code = diagnostic.code or SYNTAX
    return Hit(code, diagnostic.message, line, end, source.line(line), diagnostic.url or "")
