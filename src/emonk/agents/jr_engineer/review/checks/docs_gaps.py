"""The check `docs-gaps`: the public interface or a route changed, and the changelog (or README) did not."""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import PurePosixPath

import msgspec

from emonk.agents.jr_engineer.review.attempts import Failed, attempt
from emonk.agents.jr_engineer.review.checks.api import Definition
from emonk.agents.jr_engineer.review.checks.lint import quote
from emonk.agents.jr_engineer.review.checks.modules import Module
from emonk.agents.jr_engineer.review.comparison import Comparison
from emonk.agents.jr_engineer.review.findings import Draft, Finding, LedgerRow, Outcome, Status
from emonk.agents.jr_engineer.review.visible import cut

NAME = "docs-gaps"
_MOST = 30
_CHANGELOG = re.compile(
    r"(changelog|changes|history|news|release[-_]?notes|releases|whatsnew)([-_.].*)?", re.IGNORECASE
)
_FRAGMENTS = {
    "newsfragments",
    "changelog.d",
    "changes.d",
    "news.d",
    "changelog",
    "changes",
    "news",
    "releases",
    "whatsnew",
}
_README = re.compile(r"readme([-_.].*)?", re.IGNORECASE)
_DOCUMENTS = {"docs", "doc"}


class ApiChange(msgspec.Struct, frozen=True):
    """One difference that a caller would notice.

    Attributes:
        line: where it is on head, or what took its place there.
        removed: where base had what head has not; 0 for anything else.
    """

    module: Module
    line: int
    what: str
    removed: int = 0


def check_docs_gaps(comparison: Comparison, modules: list[Module]) -> Outcome:
    """One finding for the whole change, at the first thing that it leaves undocumented."""
    public = [module for module in modules if module.nothing is None and not _is_private(module.file.path)]
    changes = [(module, attempt(module.file.path, NAME, partial(_list_changes, module))) for module in public]
    failed = {module.file.path: found.reason for module, found in changes if isinstance(found, Failed)}
    api = _without_moves([item for _, found in changes if not isinstance(found, Failed) for item in found])
    missing = _untouched(comparison) if api else ""
    drafts = [_draft(api, missing)] if missing else []
    flagged = {item.module.file.path for item in api} if missing else set[str]()
    rows = [LedgerRow(module.file.path, NAME, *_status(module, flagged, failed)) for module in modules]
    return Outcome(drafts, rows)


def _status(module: Module, flagged: set[str], failed: dict[str, str]) -> tuple[Status, str]:
    path = module.file.path
    if module.nothing is not None:
        return module.nothing
    if _is_private(path):
        return "skipped", "a private module"
    return ("failed", failed[path]) if path in failed else ("findings" if path in flagged else "ok", "")


def _is_private(path: str) -> bool:
    parts = PurePosixPath(path).with_suffix("").parts
    return any(part.startswith("_") and part not in {"__init__", "__main__"} for part in parts)


def _list_changes(module: Module) -> list[ApiChange]:
    return list(_changes(module))


def _changes(module: Module) -> Iterator[ApiChange]:
    base = {name: item for name, item in module.base.items() if item.public}
    head = {name: item for name, item in module.head.items() if item.public}
    added, removed = head.keys() - base.keys(), base.keys() - head.keys()
    for name, item in head.items():
        if name in added and item.owner not in added:
            yield ApiChange(module, item.line, f"added {_label(item)}")
        elif name in base and base[name].signature != item.signature and item.kind != "class":
            yield ApiChange(module, item.line, f"changed {_label(item)} from {base[name].signature}")
    for name, item in base.items():
        if name in removed and item.owner not in removed:
            yield ApiChange(module, _place(module, item.line), f"removed {_label(item)}", item.line)
    for route in [route for route in module.head_routes if route not in module.base_routes]:
        yield ApiChange(module, module.head_routes[route], f"added route {route}")
    for route in [route for route in module.base_routes if route not in module.head_routes]:
        line = module.base_routes[route]
        yield ApiChange(module, _place(module, line), f"removed route {route}", line)


def _label(item: Definition) -> str:
    if item.name == "__init__":
        return f"{item.owner}{item.signature}"
    return f"class {item.qualname}" if item.kind == "class" else f"{item.qualname}{item.signature}"


def _place(module: Module, base_line: int) -> int:
    """Where a removed line of base stood: the hunk that removed it."""
    hunk = module.file.change.removing(base_line)
    return max(hunk.head_start if hunk else module.file.change.head_line(base_line) or 1, 1)


def _without_moves(changes: list[ApiChange]) -> list[ApiChange]:
    """Leave out what one file lost and another gained as it was."""
    told = {item.what for item in changes}
    twin = {"added": "removed", "removed": "added"}

    def moved(item: ApiChange) -> bool:
        verb, _, rest = item.what.partition(" ")
        return verb in twin and f"{twin[verb]} {rest}" in told

    return [item for item in changes if not moved(item)]


def _untouched(comparison: Comparison) -> str:
    """The document that should have been changed and was not, or nothing."""
    touched = {file.path for file in comparison.files}
    paths = [entry.path for entry in comparison.tree]
    logs = [path for path in paths if _is_changelog(path)]
    if logs:
        return "" if any(_is_changelog(path) for path in touched) else min(logs, key=len)
    readmes = [path for path in paths if "/" not in path and _README.fullmatch(path)]
    written = any(
        _README.fullmatch(PurePosixPath(path).name) or _DOCUMENTS & set(path.split("/")[:-1]) for path in touched
    )
    return readmes[0] if readmes and not written else ""


def _is_changelog(path: str) -> bool:
    pure = PurePosixPath(path)
    *folders, name = pure.parts
    if pure.suffix in {".py", ".html", ".css", ".js"} or len(folders) > 3:
        return False
    if {folder.lower() for folder in folders} & _FRAGMENTS:
        return True
    return set(folders) <= _DOCUMENTS | {"source", "src", "en"} and _CHANGELOG.fullmatch(name) is not None


def _draft(api: list[ApiChange], missing: str) -> Draft:
    first = api[0]
    file = first.module.file
    line = file.change.first_added(first.line, first.line) or file.change.nearest(first.line)
    told = [f"{item.module.file.path}: {cut(item.what)}" for item in api]
    more = [f"and {len(told) - _MOST} more"] if len(told) > _MOST else []
    finding = Finding(
        file=file.path,
        line=line,
        end_line=line,
        rule=NAME,
        tool="emonk",
        severity="low" if _is_changelog(missing) else "info",
        title=f"The public interface changed and {missing} did not",
        detail="; ".join([*told[:_MOST], *more]) + ".",
        evidence=f"{_quoted(first, line)}\n{missing} is the same on base and head",
    )
    return Draft(finding, missing)


def _quoted(change: ApiChange, line: int) -> str:
    file = change.module.file
    return f"- {quote(file.base, change.removed, change.removed)}" if change.removed else quote(file.head, line, line)
