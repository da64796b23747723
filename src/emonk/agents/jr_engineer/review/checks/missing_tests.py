"""The check `missing-tests`: changed public functions, methods and classes that no test file on head names."""

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import partial

import msgspec

from emonk.agents.jr_engineer.review.attempts import Failed, attempt
from emonk.agents.jr_engineer.review.checks.api import Definition
from emonk.agents.jr_engineer.review.checks.lint import quote
from emonk.agents.jr_engineer.review.checks.modules import Module
from emonk.agents.jr_engineer.review.checks.routes import decorated_routes
from emonk.agents.jr_engineer.review.comparison import Comparison
from emonk.agents.jr_engineer.review.findings import Draft, Finding, LedgerRow, Outcome, Status
from emonk.agents.jr_engineer.review.visible import cut

NAME = "missing-tests"
_Candidates = list[tuple[Definition, set[str]]]
"""With the other spellings by which tests may name them."""
_WORD = re.compile(r"[^\W\d]\w*")
_MOST = 10
"""Findings per file; what is beyond them is named in one more."""
_MOST_NAMED = 100
"""Names in that one; the others are counted."""


class Named(msgspec.Struct, frozen=True):
    """What the tests of head mention.

    Attributes:
        words: identifiers.
        phrases: those of the asked phrases that occur.
        files: how many test files there are.
    """

    words: set[str]
    phrases: set[str]
    files: int


def check_missing_tests(comparison: Comparison, modules: list[Module]) -> Outcome:
    """Names are looked for as whole words in test files; a route counts as tested when its path is there."""
    moved = _Moved(modules)
    changed = [attempt(module.file.path, NAME, partial(_candidates, module, moved)) for module in modules]
    named = _read_tests(comparison, [phrase for found in changed for _, phrases in _known(found) for phrase in phrases])
    drafts: list[Draft] = []
    rows: list[LedgerRow] = []
    for module, items in zip(modules, changed, strict=True):
        untested = [
            item for item, phrases in _known(items) if item.name not in named.words and not named.phrases & phrases
        ]
        found = list(_drafts(module, untested, named))
        drafts += found
        rows.append(LedgerRow(module.file.path, NAME, *_status(module, items, found)))
    return Outcome(drafts, rows)


def _candidates(module: Module, moved: "_Moved") -> _Candidates:
    return [(item, set(_phrases(item))) for item in _changed(module) if not moved.has(item)]


def _known(candidates: _Candidates | Failed) -> _Candidates:
    return [] if isinstance(candidates, Failed) else candidates


def _status(module: Module, candidates: _Candidates | Failed, found: list[Draft]) -> tuple[Status, str]:
    if isinstance(candidates, Failed):
        return "failed", candidates.reason
    return module.nothing or ("findings" if found else "ok", "")


class _Moved:
    """Definitions of base by name, to tell what only moved."""

    def __init__(self, modules: list[Module]) -> None:
        self._by_name: dict[str, list[tuple[str, Definition]]] = defaultdict(list)
        for module in modules:
            for item in module.base.values():
                self._by_name[item.name].append((module.file.path, item))

    def has(self, item: Definition) -> bool:
        own = item.fingerprint
        return any(own == self._fingerprint(path, earlier) for path, earlier in self._by_name[item.name])

    def _fingerprint(self, path: str, item: Definition) -> str | Failed:
        """That of another file's definition, whose failure is not this file's."""
        return attempt(path, "the fingerprint", lambda: item.fingerprint)


def _read_tests(comparison: Comparison, phrases: list[str]) -> Named:
    words: set[str] = set()
    found: set[str] = set()
    files = 0
    for text in comparison.test_texts():
        files += 1
        words.update(_WORD.findall(text))
        found.update(phrase for phrase in phrases if phrase in text)
    return Named(words, found, files)


def _changed(module: Module) -> Iterator[Definition]:
    """What head's code does otherwise than base's; a new class stands for its methods."""
    if module.nothing is not None or module.file.change.status == "deleted":
        return
    new_classes = {item.qualname for item in module.head.values() if item.kind == "class"} - set(module.base)
    for item in module.head.values():
        if not item.public or item.trivial or item.name == "__init__" or item.owner in new_classes:
            continue
        if item.qualname not in module.base or (item.kind != "class" and _differs(module, item)):
            yield item


def _differs(module: Module, item: Definition) -> bool:
    touched = any(module.file.change.touches(first, last) for first, last in item.lines)
    return touched and module.base[item.qualname].fingerprint != item.fingerprint


def _phrases(item: Definition) -> list[str]:
    """How else tests may name it: by the path of its route, or by its command."""
    dashed = [item.name.replace("_", "-")] if item.decorators and "_" in item.name else []
    return [path for _, path in decorated_routes(item) if len(path) > 1] + dashed


def _drafts(module: Module, untested: list[Definition], named: Named) -> Iterator[Draft]:
    shown, rest = untested[:_MOST], untested[_MOST:]
    for item in shown:
        yield _draft(module, item, named)
    if rest:
        yield _summary(module, rest)


def _draft(module: Module, item: Definition, named: Named) -> Draft:
    file = module.file
    new = item.qualname not in module.base
    line = file.change.first_added(item.line, item.end_line) or file.change.nearest(item.line)
    owner_named = bool(item.owner) and item.owner.rpartition(".")[2] in named.words
    where = f"in none of the {named.files} test files" if named.files else "in no test: there is no test file"
    other = f" Tests do name its class `{cut(item.owner)}`." if owner_named else ""
    finding = Finding(
        file=file.path,
        line=line,
        end_line=line,
        rule=NAME,
        tool="emonk",
        severity="info" if owner_named else "low",
        title=f"No test names the {'new' if new else 'changed'} {item.kind} `{cut(item.qualname)}`",
        detail=f"The word `{cut(item.name)}` occurs {where} on head.{other}{_place('It', item, line)}",
        evidence=quote(file.head, item.line, item.line),
    )
    return Draft(finding, item.qualname)


def _summary(module: Module, rest: list[Definition]) -> Draft:
    file = module.file
    named = [f"`{cut(item.qualname)}`" for item in rest[:_MOST_NAMED]]
    names = ", ".join([*named, f"and {len(rest) - _MOST_NAMED} more"] if len(rest) > _MOST_NAMED else named)
    line = file.change.first_added(rest[0].line, rest[0].end_line) or file.change.nearest(rest[0].line)
    finding = Finding(
        file=file.path,
        line=line,
        end_line=line,
        rule=NAME,
        tool="emonk",
        severity="low",
        title=f"No test names {len(rest)} more changed definitions of this file",
        detail=f"Their names occur in no test file on head: {names}.{_place('The first', rest[0], line)}",
        evidence=quote(file.head, rest[0].line, rest[0].line),
    )
    return Draft(finding, "more")


def _place(subject: str, item: Definition, line: int) -> str:
    """A finding stands on a line of the diff, its evidence is where the definition begins."""
    if line == item.line:
        return ""
    return f" {subject} is defined in line {item.line}; line {line} is the nearest one in the diff."
