"""Both versions' definitions of the changed Python files, or why there are none."""

import msgspec

from emonk.agents.jr_engineer.review.attempts import attempt
from emonk.agents.jr_engineer.review.checks.api import Definition, definitions
from emonk.agents.jr_engineer.review.checks.lint import not_python, unreadable
from emonk.agents.jr_engineer.review.checks.routes import routes
from emonk.agents.jr_engineer.review.findings import Status
from emonk.agents.jr_engineer.review.source import ChangedFile, Source, is_library, parse


class Module(msgspec.Struct, frozen=True):
    """What one changed file defined on base and defines on head.

    Attributes:
        nothing: status and reason when head has nothing to compare, or nothing that can be read.
    """

    file: ChangedFile
    base: dict[str, Definition]
    head: dict[str, Definition]
    base_routes: dict[str, int]
    head_routes: dict[str, int]
    nothing: tuple[Status, str] | None


def read_modules(files: list[ChangedFile]) -> list[Module]:
    """One for each changed file, in order."""
    return [_attempted(file) for file in files]


def _attempted(file: ChangedFile) -> Module:
    module = attempt(file.path, "reading the definitions", lambda: _module(file))
    return module if isinstance(module, Module) else Module(file, {}, {}, {}, {}, ("failed", module.reason))


def _module(file: ChangedFile) -> Module:
    nothing = None if file.change.status == "deleted" and file.python else not_python(file)
    nothing = nothing or _not_library(file)
    if nothing is None and file.change.status != "deleted":
        nothing = unreadable(file)
    if nothing is not None:
        return Module(file, {}, {}, {}, {}, nothing)
    base, base_routes, base_problem = _read(file.base)
    head, head_routes, head_problem = _read(file.head)
    problem = head_problem or (f"base's version {base_problem}" if base_problem else "")
    return Module(file, base, head, base_routes, head_routes, ("failed", problem) if problem else None)


def _not_library(file: ChangedFile) -> tuple[Status, str] | None:
    if file.test:
        return "skipped", "a test"
    return None if is_library(file.path) else ("skipped", "not library code")


def _read(source: Source) -> tuple[dict[str, Definition], dict[str, int], str]:
    if source.text is None:
        return {}, {}, "" if source.problem in {"deleted", "absent"} else f"is {source.problem}"
    tree = parse(source.text)
    if isinstance(tree, str):
        return {}, {}, f"does not parse: {tree}"
    try:
        defined = definitions(tree)
        return defined, routes(tree, source.text, defined.values()), ""
    except RecursionError:
        return {}, {}, "is nested too deeply"
