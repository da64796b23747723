"""The checks `syntax` and `ruff`: what the change brought, as findings, and what could not be looked at."""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import PurePosixPath

from emonk.agents.jr_engineer.review.attempts import Failed, attempt
from emonk.agents.jr_engineer.review.checks.compatibility import RULES, serves_versions
from emonk.agents.jr_engineer.review.checks.limits import Shown, limited
from emonk.agents.jr_engineer.review.checks.novelty import Brought, Versions, brought
from emonk.agents.jr_engineer.review.checks.ruff import MOST_HITS, FileHits, Hit, Hits, run_ruff
from emonk.agents.jr_engineer.review.checks.rules import PASSWORDS, names_in, severity_of, without_literals
from emonk.agents.jr_engineer.review.comparison import Comparison
from emonk.agents.jr_engineer.review.findings import Draft, Finding, LedgerRow, Outcome, Status
from emonk.agents.jr_engineer.review.source import ChangedFile, Source, is_test_data
from emonk.agents.jr_engineer.review.visible import cut
from emonk.errors import ConfigError, InfraError

SYNTAX = "syntax"
RUFF = "ruff"
_MOST_LINES = 6
_NOTHING = Shown([], "")


def check_lint(comparison: Comparison) -> Outcome:
    """Code that does not parse, bugs and security findings that head adds."""
    files = [file for file in comparison.files if file.python]
    try:
        hits = run_ruff(comparison, files)
    except (InfraError, ConfigError) as error:
        rows = [row for file in comparison.files for row in _both(file, not_python(file) or ("failed", str(error)))]
        return Outcome([], rows)
    reviewed = _review(comparison, files, hits)
    drafts = [draft for found in reviewed.values() if isinstance(found, Shown) for draft in found.drafts]
    by_path = {file.path: hits.of(index) for index, file in enumerate(files)}
    rows = [row for file in comparison.files for row in _account(file, by_path, reviewed)]
    return Outcome(drafts, rows)


def not_python(file: ChangedFile) -> tuple[Status, str] | None:
    """Status and reason for a file in which Python checks have nothing to look at."""
    change, problem = file.change, file.head.problem
    if change.status == "deleted":
        return "skipped", "deleted"
    if change.kind != "file":
        return "skipped", f"a {change.kind}"
    if problem == "binary" or (change.binary and not problem.startswith("larger")):
        return ("failed" if change.path.endswith(".py") else "skipped"), "binary"
    return None if file.python else ("skipped", "not Python")


def unreadable(file: ChangedFile) -> tuple[Status, str] | None:
    """Status and reason for a Python file that no check can read."""
    return None if file.head.text is not None else ("failed", file.head.problem)


def _review(comparison: Comparison, files: list[ChangedFile], hits: Hits) -> dict[str, Shown | Failed]:
    news = brought([Versions(f.change, hits.base_all.get(i, []), hits.head.get(i, [])) for i, f in enumerate(files)])
    silenced = brought([_silenced(file, hits, index) for index, file in enumerate(files)])
    reviewed: dict[str, Shown | Failed] = {}
    for index, file in enumerate(files):
        mine = hits.of(index)
        if mine.crash:
            reviewed[file.path] = Failed(mine.crash)
            continue
        found = attempt(file.path, RUFF, partial(_drafts, comparison, file, mine, news[index], silenced[index]))
        reviewed[file.path] = found if isinstance(found, Failed) else limited(found)
    return reviewed


def _drafts(
    comparison: Comparison, file: ChangedFile, hits: FileHits, news: list[Brought], silenced: list[Brought]
) -> list[Draft]:
    drafts = [*_syntax(file, hits.head, hits.base_all)]
    if not is_test_data(file.path):
        drafts += [_draft(comparison, file, item) for item in news if _counts(comparison, file, item.hit)]
        drafts += [_silenced_draft(file, item) for item in silenced if not item.elsewhere]
    return drafts


def _silenced(file: ChangedFile, hits: Hits, index: int) -> Versions:
    """Security findings that a `noqa` of the branch hides."""
    shown = set(hits.head.get(index, []))
    hidden = [hit for hit in hits.head_all.get(index, []) if hit not in shown and hit.code.startswith("S")]
    return Versions(file.change, hits.base_all.get(index, []), hidden)


def _syntax(file: ChangedFile, head: list[Hit], base: list[Hit]) -> Iterator[Draft]:
    errors = [hit for hit in head if hit.unreadable]
    if errors and not any(hit.unreadable for hit in base):
        yield _syntax_draft(file, errors[0].line, errors[0].message)
    elif file.head.problem.startswith("not ") and file.base.text is not None:
        yield _syntax_draft(file, 1, f"{file.head.problem}, and no coding cookie says otherwise")


def _syntax_draft(file: ChangedFile, line: int, message: str) -> Draft:
    shown = file.change.nearest(line)
    finding = Finding(
        file=file.path,
        line=shown,
        end_line=shown,
        rule="syntax-error",
        tool=RUFF,
        severity="low" if is_test_data(file.path) else "high",
        title=f"Python cannot read this file: {cut(message)}",
        detail=f"Line {line} does not parse, so that importing the file fails; base's version parses or did not exist.",
        evidence=quote(file.head, line, line),
    )
    return Draft(finding, file.head.line(line))


def _counts(comparison: Comparison, file: ChangedFile, hit: Hit) -> bool:
    """Whether a new finding is one: other files may import what looks unused here."""
    if hit.unreadable or (hit.code in RULES and serves_versions(file, hit.line)):
        return False
    if hit.code != "F401" or hit.text.lstrip().startswith("import "):
        return True
    name = names_in(hit.message)[0]
    renamed = re.search(rf"\b{re.escape(name)} as (\w+)", hit.text)
    bound = renamed.group(1) if renamed else name
    return not comparison.imports(PurePosixPath(file.path).stem, bound, apart_from=file.path)


def _draft(comparison: Comparison, file: ChangedFile, item: Brought) -> Draft:
    hit = item.hit
    touched = file.change.first_added(hit.line, hit.end_line)
    proof = f"base {comparison.base[:12]} has no {hit.code} here"
    affected = f"It is about line {hit.line}, which the change did not touch but affects." if not touched else ""
    finding = Finding(
        file=file.path,
        line=item.line,
        end_line=max(item.line, hit.end_line if file.change.hunk_at(hit.end_line) else item.line),
        rule="syntax-version" if hit.late_syntax else hit.code,
        tool=RUFF,
        severity="medium" if hit.late_syntax else severity_of(hit.code, hit.message, hit.text),
        title=cut(hit.message),
        detail=" ".join(filter(None, [affected, f"Why: {hit.url}" if hit.url else ""])),
        evidence=f"{_evidence(file, hit)}\n{proof}",
    )
    return Draft(finding, hit.text)


def _silenced_draft(file: ChangedFile, item: Brought) -> Draft:
    hit = item.hit
    finding = Finding(
        file=file.path,
        line=item.line,
        end_line=item.line,
        rule=f"silenced-{hit.code}",
        tool=RUFF,
        severity="info",
        title=f"A new noqa comment silences {hit.code}: {cut(hit.message)}",
        detail=f"Check that the reason for it is good. {hit.url}",
        evidence=_evidence(file, hit),
    )
    return Draft(finding, hit.text)


def _evidence(file: ChangedFile, hit: Hit) -> str:
    shown = quote(file.head, hit.line, hit.end_line)
    return without_literals(shown) if hit.code in PASSWORDS else shown


def quote(source: Source, start: int, end: int) -> str:
    """Numbered source lines."""
    last = min(end, start + _MOST_LINES - 1)
    lines = [f"{number}: {cut(source.line(number))}" for number in range(start, last + 1)]
    return "\n".join(lines if last == end else [*lines, f"... to line {end}"])


def _account(file: ChangedFile, hits: dict[str, FileHits], reviewed: dict[str, Shown | Failed]) -> list[LedgerRow]:
    found = reviewed.get(file.path, _NOTHING)
    if isinstance(found, Failed):
        return _both(file, ("failed", found.reason))
    if nothing := not_python(file) or unreadable(file):
        return [_row(file, SYNTAX, ("findings", nothing[1]) if found.drafts else nothing), _row(file, RUFF, nothing)]
    mine = hits[file.path]
    errors = [hit for hit in mine.head if hit.unreadable]
    if errors:
        reason = f"does not parse: line {errors[0].line}: {cut(errors[0].message)}"
        syntax: Status = "findings" if found.drafts else "ok"
        return [_row(file, SYNTAX, (syntax, reason)), _row(file, RUFF, ("failed", reason))]
    linted: tuple[Status, str] = ("findings" if found.drafts else "ok", found.left_out)
    if mine.flood:
        linted = "failed", f"too many diagnostics: the first {MOST_HITS:,} of {mine.flood} were compared"
    if is_test_data(file.path):
        linted = "skipped", "test data"
    return [_row(file, SYNTAX, ("ok", "")), _row(file, RUFF, linted)]


def _both(file: ChangedFile, outcome: tuple[Status, str]) -> list[LedgerRow]:
    return [_row(file, SYNTAX, outcome), _row(file, RUFF, outcome)]


def _row(file: ChangedFile, check: str, outcome: tuple[Status, str]) -> LedgerRow:
    return LedgerRow(file.path, check, *outcome)
