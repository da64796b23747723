"""Runs ruff over base's and head's versions of the changed Python files, in isolation.

The files are written under neutral names: ruff never sees a path, a configuration file or a cache of the branch.
"""

import os
import re
import sys
import sysconfig
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

import msgspec

from emonk.agents.jr_engineer.review.checks.halving import Crashed, by_halves
from emonk.agents.jr_engineer.review.checks.rules import SELECT, is_noise
from emonk.agents.jr_engineer.review.comparison import Comparison
from emonk.agents.jr_engineer.review.processes import Processes
from emonk.agents.jr_engineer.review.source import ChangedFile, Source
from emonk.errors import InfraError

SYNTAX = "invalid-syntax"
_LATER_SYNTAX = re.compile(r"on Python 3\.\d+ \(syntax was ")
MOST_HITS = 1000
"""Diagnostics of one rule in one version of a file."""
_PANIC = 101
"""How a Rust program ends that found a fault of its own."""
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

    @property
    def index(self) -> int:
        """The position of its file: the number in its neutral name."""
        return int(Path(self.filename).parent.name[1:])


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
    floods: dict[int, str]
    crashes: dict[int, str]

    def of(self, index: int) -> "FileHits":
        flood, crash = self.floods.get(index, ""), self.crashes.get(index, "")
        return FileHits(self.head.get(index, []), self.base_all.get(index, []), flood, crash)


class FileHits(msgspec.Struct, frozen=True):
    """Those of one file.

    Attributes:
        flood: the rule of which there were more than `MOST_HITS`, if there is one.
        crash: why ruff could not look at one of the versions, if it could not.
    """

    head: list[Hit]
    base_all: list[Hit]
    flood: str
    crash: str


_Run = tuple[list[_Diagnostic], dict[str, str]]


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
    finished = _run_all(comparison.repository.processes, scratch, runs)
    head, head_all, base_all = (found for found, _ in finished)
    crashes = {int(name[1:]): reason for _, crashed in finished for name, reason in crashed.items()}
    declared = target is not None
    floods: dict[int, str] = {}
    return Hits(
        _by_file(_bounded(head, floods), files, "head", declared=declared),
        _by_file(_bounded(head_all, floods), files, "head", declared=declared),
        _by_file(_bounded(base_all, floods), files, "base", declared=declared),
        floods,
        crashes,
    )


def _bounded(found: list[_Diagnostic], floods: dict[int, str]) -> Iterator[_Diagnostic]:
    """The first of each rule in each file, because comparing costs their square; notes where there are more."""
    seen: Counter[tuple[int, str]] = Counter()
    for diagnostic in found:
        place = (diagnostic.index, diagnostic.code or SYNTAX)
        seen[place] += 1
        if seen[place] <= MOST_HITS:
            yield diagnostic
        elif place[1] != SYNTAX:
            floods[place[0]] = place[1]


def _run_all(processes: Processes, scratch: Path, runs: list[tuple[str, list[str]]]) -> list[_Run]:
    with ThreadPoolExecutor(2) as pool:
        pending = [pool.submit(_run, processes, scratch / side, options) for side, options in runs]
        try:
            return [task.result() for task in pending]
        except KeyboardInterrupt:
            processes.cancel()
            raise


def target_version(comparison: Comparison) -> int | None:
    """The minor version of the oldest Python that both revisions' packaging metadata leave, read as data."""
    declared = [_declared(comparison, revision) for revision in (comparison.base, comparison.head)]
    return max((floor for floor in declared if floor is not None), default=None)


def _declared(comparison: Comparison, revision: str) -> int | None:
    for path in ("pyproject.toml", "setup.cfg", "setup.py"):
        for declared in _REQUIRES.findall(comparison.read(revision, path)):
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


def _run(processes: Processes, directory: Path, options: list[str]) -> _Run:
    fixed = ["check", "--isolated", "--no-cache", "--quiet", "--exit-zero", "--no-fix", "--output-format=json"]

    def check(names: Sequence[str]) -> list[_Diagnostic]:
        output = _call(processes, directory, [*fixed, f"--select={SELECT}", *options, *names])
        return msgspec.json.decode(output or b"[]", type=list[_Diagnostic])

    names = sorted(folder.name for folder in directory.iterdir())
    return by_halves(names, check) if names else ([], {})


def _call(processes: Processes, directory: Path, arguments: list[str]) -> bytes:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RUFF_", "PYTHON"))}
    done = processes.run([*_program(), *arguments], cwd=directory, env={**inherited, "NO_COLOR": "1"})
    if done.status < 0 or done.status == _PANIC:
        raise Crashed(f"ruff crashes on it (status {done.status})")
    if done.status:
        raise InfraError(f"ruff failed: {done.complaint}", hint="pip install ruff")
    return done.output


def _program() -> list[str]:
    installed = Path(sysconfig.get_path("scripts")) / "ruff"
    return [str(installed)] if installed.is_file() else [sys.executable, "-I", "-m", "ruff"]


def _by_file(
    found: Iterable[_Diagnostic], files: list[ChangedFile], side: str, *, declared: bool
) -> dict[int, list[Hit]]:
    hits: dict[int, list[Hit]] = {}
    for diagnostic in found:
        index = diagnostic.index
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
