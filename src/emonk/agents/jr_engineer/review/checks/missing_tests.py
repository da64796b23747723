"""The check `missing-tests`: changed public functions, methods and classes that no test file on head names."""

from collections.abc import Iterator

from emonk.agents.jr_engineer.review.checks.api import Definition
from emonk.agents.jr_engineer.review.checks.lint import quote
from emonk.agents.jr_engineer.review.checks.modules import Module
from emonk.agents.jr_engineer.review.checks.routes import decorated_routes
from emonk.agents.jr_engineer.review.comparison import Comparison
from emonk.agents.jr_engineer.review.findings import Draft, Finding, LedgerRow, Outcome
from emonk.agents.jr_engineer.review.source import TEST_PATHS

NAME = "missing-tests"
_MOST = 10
"""Findings per file; what is beyond them is named in one more."""


def check_missing_tests(comparison: Comparison, modules: list[Module]) -> Outcome:
    """Names are looked for as whole words in test files; a route counts as tested when its path is there."""
    moved = {(item.name, item.fingerprint) for module in modules for item in module.base.values()}
    changed = [[item for item in _changed(module) if (item.name, item.fingerprint) not in moved] for module in modules]
    everything = [item for items in changed for item in items]
    spelled = [name for item in everything for name in (item.name, item.owner.rpartition(".")[2])]
    named = comparison.grep(spelled, where=TEST_PATHS)
    loose = comparison.grep([word for item in everything for word in _aliases(item)], where=TEST_PATHS, words=False)
    drafts: list[Draft] = []
    rows: list[LedgerRow] = []
    for module, items in zip(modules, changed, strict=True):
        found = list(_drafts(module, [item for item in items if not _tested(item, named, loose)], named))
        drafts += found
        status, reason = module.nothing or ("findings" if found else "ok", "")
        rows.append(LedgerRow(module.file.path, NAME, status, reason))
    return Outcome(drafts, rows)


def _changed(module: Module) -> Iterator[Definition]:
    """What head's code does otherwise than base's; a new class stands for its methods."""
    if module.nothing is not None or module.file.change.status == "deleted":
        return
    new_classes = {item.qualname for item in module.head.values() if item.kind == "class"} - set(module.base)
    for item in module.head.values():
        earlier = module.base.get(item.qualname)
        if not item.public or item.trivial or item.name == "__init__" or item.owner in new_classes:
            continue
        if earlier is None or (earlier.fingerprint != item.fingerprint and item.kind != "class"):
            yield item


def _aliases(item: Definition) -> list[str]:
    """How else tests may name it: by the path of its route, or by its command."""
    dashed = [item.name.replace("_", "-")] if item.decorators and "_" in item.name else []
    return [path for _, path in decorated_routes(item) if len(path) > 1] + dashed


def _tested(item: Definition, named: set[str], loose: set[str]) -> bool:
    return item.name in named or bool(loose & set(_aliases(item)))


def _drafts(module: Module, untested: list[Definition], named: set[str]) -> Iterator[Draft]:
    shown, rest = untested[:_MOST], untested[_MOST:]
    for item in shown:
        yield _draft(module, item, named)
    if rest:
        yield _summary(module, rest)


def _draft(module: Module, item: Definition, named: set[str]) -> Draft:
    file = module.file
    new = item.qualname not in module.base
    line = file.change.first_added(item.line, item.end_line) or file.change.nearest(item.line)
    owner_named = bool(item.owner) and item.owner.rpartition(".")[2] in named
    other = f" Tests do name its class `{item.owner}`." if owner_named else ""
    finding = Finding(
        file=file.path,
        line=line,
        end_line=line,
        rule=NAME,
        tool="emonk",
        severity="info" if owner_named else "low",
        title=f"No test names the {'new' if new else 'changed'} {item.kind} `{item.qualname}`",
        detail=f"The word `{item.name}` occurs in no test file on head.{other}",
        evidence=quote(file.head, item.line, item.line),
    )
    return Draft(finding, item.qualname)


def _summary(module: Module, rest: list[Definition]) -> Draft:
    file = module.file
    names = ", ".join(f"`{item.qualname}`" for item in rest)
    line = file.change.first_added(rest[0].line, rest[0].end_line) or file.change.nearest(rest[0].line)
    finding = Finding(
        file=file.path,
        line=line,
        end_line=line,
        rule=NAME,
        tool="emonk",
        severity="low",
        title=f"No test names {len(rest)} more changed definitions of this file",
        detail=f"Their names occur in no test file on head: {names}.",
        evidence=quote(file.head, rest[0].line, rest[0].line),
    )
    return Draft(finding, "more")
