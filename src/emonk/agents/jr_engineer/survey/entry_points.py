"""Where the programs of a code base start, as its own files declare; nothing is run to find out."""

import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, cast

_LARGEST = 1024 * 1024
_DOCKER = re.compile(r"^\s*(CMD|ENTRYPOINT)\s+(.+?)\s*$", re.MULTILINE | re.IGNORECASE)
_GOAL = re.compile(r"^\.DEFAULT_GOAL\s*:?=\s*(\S+)", re.MULTILINE)
_TARGET = re.compile(r"^([A-Za-z0-9][\w./-]*)\s*:(?!=)", re.MULTILINE)
_MAIN = re.compile(r"""^if __name__ == ["']__main__["']""", re.MULTILINE)


def entry_points(directory: Path, paths: Iterable[str]) -> list[str]:
    """One line each, such as `pyproject.toml: script emonk = emonk.cli:main`."""
    return [f"{path}: {what}" for path in paths for what in _of(directory / path, PurePosixPath(path))]


def _of(full: Path, path: PurePosixPath) -> Iterator[str]:
    name = path.name.lower()
    if path.suffix == ".py":
        yield from _python(full, path)
    elif name == "pyproject.toml":
        yield from _pyproject(_read(full))
    elif name == "package.json":
        yield from _package_json(_read(full))
    elif name.startswith(("dockerfile", "containerfile")):
        yield from (f"{keyword.upper()} {command}" for keyword, command in _DOCKER.findall(_read(full)))
    elif name in {"makefile", "gnumakefile"}:
        yield from _makefile(_read(full))


def _python(full: Path, path: PurePosixPath) -> Iterator[str]:
    if path.name == "__main__.py":
        yield f"python -m {'.'.join(_module(path))}"
    elif not {"tests", "test"} & set(path.parts) and _MAIN.search(_read(full)):
        yield "runs as a script"


def _module(path: PurePosixPath) -> tuple[str, ...]:
    parts = path.parts[:-1]
    return parts[1:] if parts[:1] == ("src",) else parts


def _pyproject(text: str) -> Iterator[str]:
    try:
        found: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        yield "not valid TOML"
        return
    project = _table(found, "project")
    for kind in ("scripts", "gui-scripts"):
        yield from (f"script {name} = {target}" for name, target in _table(project, kind).items())
    poetry = _table(_table(found, "tool"), "poetry")
    yield from (f"script {name} = {target}" for name, target in _table(poetry, "scripts").items())


def _package_json(text: str) -> Iterator[str]:
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError):
        yield "not valid JSON"
        return
    if not isinstance(found, dict):
        return
    package = cast("dict[str, Any]", found)
    if isinstance(package.get("main"), str):
        yield f"main {package['main']}"
    if isinstance(package.get("bin"), str):
        yield f"bin {package['bin']}"
    yield from (f"bin {name} = {target}" for name, target in _table(package, "bin").items())
    start = _table(package, "scripts").get("start")
    yield from [f"start {start}"] if isinstance(start, str) else []


def _makefile(text: str) -> Iterator[str]:
    match = _GOAL.search(text) or _TARGET.search(text)
    if match is not None:
        yield f"make {match.group(1)}"


def _table(table: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = table.get(key)
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST).decode("utf-8", "replace")
    except OSError:
        return ""
