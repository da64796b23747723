"""The two versions of a changed file as text, and what kind of file it is."""

import ast
import codecs
import io
import re
import threading
import tokenize
import warnings
from functools import cached_property
from pathlib import PurePosixPath

import msgspec

from emonk.agents.jr_engineer.review.attempts import Failed, attempt
from emonk.agents.jr_engineer.review.diff import FileChange
from emonk.agents.jr_engineer.review.repository import Repository

LARGEST = 1024 * 1024
"""Bytes above which a file is not analysed."""

_TEST_NAME = re.compile(r"test_.*\.py|.*_test\.py|tests\.py|conftest\.py")
_DATA = {"data", "fixtures", "fixture", "testdata", "cases", "samples", "snapshots", "roots"}
_ASIDE = {"docs", "doc", "docs_src", "examples", "example", "benchmarks", "benchmark", "scripts", ".github", "tools"}
_BORROWED = {"vendor", "_vendor", "third_party", "migrations", "site-packages", "node_modules"}
_PROJECT = {"setup.py", "conf.py", "noxfile.py", "tasks.py", "fabfile.py", "manage.py"}
_TEST_CODE = {".py", ".pyi", ".sh", ".robot", ".feature", ".ipynb", ".yaml", ".yml", ".toml", ".json"}
_NO_TEXT = {"idna", "punycode", "undefined"}
"""Codecs of domain names, which take quadratic time, and the one that always fails."""
_parsing = threading.Lock()
"""Warnings are the process's own, and CPython 3.11 counts the depth of all trees that are being built in one place."""


class Source:
    """One version of a file.

    Attributes:
        text: None when there is none to analyse.
        problem: why not: deleted, binary, too large, not in the encoding it declares.
    """

    def __init__(self, text: str | None, problem: str = "") -> None:
        self.text = text
        self.problem = problem

    @cached_property
    def lines(self) -> list[str]:
        """As git counts them."""
        return (self.text or "").split("\n")

    def line(self, number: int) -> str:
        return self.lines[number - 1].removesuffix("\r") if 0 < number <= len(self.lines) else ""

    def git_line(self, row: int) -> int:
        """The line as git counts it of a row as Python does, for whom a lone carriage return ends one too."""
        return self._git_lines[min(row, len(self._git_lines)) - 1] if self._git_lines else row

    @cached_property
    def _git_lines(self) -> list[int]:
        """By row of Python's; empty where both count alike."""
        if not re.search(r"\r(?!\n)", self.text or ""):
            return []
        return [number for number, line in enumerate(self.lines, 1) for _ in line.removesuffix("\r").split("\r")]


class ChangedFile(msgspec.Struct, frozen=True):
    """A change with both versions of its file."""

    change: FileChange
    base: Source
    head: Source

    @property
    def path(self) -> str:
        return self.change.path

    @property
    def python(self) -> bool:
        return is_python(self.path, self.head.text if self.head.text is not None else self.base.text)

    @property
    def test(self) -> bool:
        return is_test(self.path)


def read_sources(repository: Repository, changes: list[FileChange]) -> list[ChangedFile]:
    """Both versions of every changed file, as far as they can be analysed."""
    wanted = [
        blob for change in changes if change.kind == "file" for blob in (change.base_blob, change.head_blob) if blob
    ]
    sizes = repository.sizes(wanted)
    blobs = repository.blobs(blob for blob in wanted if sizes.get(blob, LARGEST + 1) <= LARGEST)
    return [
        ChangedFile(
            change,
            _source(change, change.old_path, change.base_blob, sizes, blobs),
            _source(change, change.path, change.head_blob, sizes, blobs),
        )
        for change in changes
    ]


def _source(change: FileChange, path: str, blob: str, sizes: dict[str, int], blobs: dict[str, bytes]) -> Source:
    if not blob:
        return Source(None, "deleted" if change.status == "deleted" else "absent")
    if change.kind != "file":
        return Source(None, f"a {change.kind}")
    if blob not in sizes:
        return Source(None, "not in this clone")
    if blob not in blobs:
        return Source(None, f"larger than {LARGEST // 1024 // 1024} MiB")
    return _decoded(path, blobs[blob])


def _decoded(path: str, content: bytes) -> Source:
    source = attempt(path, "decoding", lambda: decode(content, python=path.endswith((".py", ".pyi"))))
    return Source(None, source.reason) if isinstance(source, Failed) else source


def decode(content: bytes, *, python: bool) -> Source:
    """Text by the coding cookie that Python would obey (PEP 263), UTF-8 without one."""
    if b"\0" in content:
        return Source(None, "binary")
    encoding = "utf-8"
    try:
        if python or content.startswith(b"#!"):
            encoding = tokenize.detect_encoding(io.BytesIO(content).readline)[0]
        if codecs.lookup(encoding).name in _NO_TEXT:
            return Source(None, f"declares {encoding}, which no source is written in")
        return Source(content.decode("utf-8" if encoding == "utf-8-sig" else encoding))
    except (SyntaxError, LookupError, UnicodeError):
        return Source(None, f"not {encoding.upper()}" if encoding != "utf-8" else "not UTF-8")


def is_python(path: str, text: str | None) -> bool:
    """Whether the name, or the first line of a nameless script, says Python."""
    if path.endswith((".py", ".pyi")):
        return True
    if PurePosixPath(path).suffix or not text:
        return False
    return re.match(r"#![^\n]*\bpython", text) is not None


def is_test(path: str) -> bool:
    """Whether the file holds tests or belongs to them."""
    pure = PurePosixPath(path)
    return bool({"tests", "test"} & set(pure.parts[:-1])) or _TEST_NAME.fullmatch(pure.name) is not None


def is_test_module(path: str) -> bool:
    """Whether a test runner or Python imports the file by its name; other files under tests may be given names."""
    name = PurePosixPath(path).name
    return name == "__init__.py" or _TEST_NAME.fullmatch(name) is not None


def can_name(path: str) -> bool:
    """Whether the file is one of the tests that may say what they test."""
    return is_test(path) and PurePosixPath(path).suffix in _TEST_CODE


def is_test_data(path: str) -> bool:
    """Whether the file is input of a test, which may be broken on purpose."""
    pure = PurePosixPath(path)
    if not is_test(path) or _TEST_NAME.fullmatch(pure.name):
        return False
    return any(part.lower() in _DATA or part.startswith(("test-", "bad")) for part in pure.parts[:-1])


def is_library(path: str) -> bool:
    """Whether others may call what the file defines: not tests, documentation, examples, scripts or borrowed code."""
    pure = PurePosixPath(path)
    parts = set(pure.parts[:-1])
    if is_test(path) or parts & _BORROWED or (pure.parts[0] in _ASIDE and len(pure.parts) > 1):
        return False
    return pure.name not in _PROJECT


def parse(text: str) -> ast.Module | str:
    """The syntax tree, or why this Python cannot build one."""
    try:
        with _parsing, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text.removeprefix("\ufeff"))
    except SyntaxError as error:
        return f"line {error.lineno}: {error.msg}" if error.lineno else str(error.msg)
    except (ValueError, RecursionError, MemoryError, SystemError) as error:
        return str(error) or type(error).__name__
