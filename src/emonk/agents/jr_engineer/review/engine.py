"""The review itself: resolve, compare, check, account."""

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from emonk.agents.jr_engineer.review.attempts import attempt
from emonk.agents.jr_engineer.review.checks.docs_gaps import NAME as DOCS_GAPS
from emonk.agents.jr_engineer.review.checks.docs_gaps import check_docs_gaps
from emonk.agents.jr_engineer.review.checks.lint import RUFF, SYNTAX, check_lint
from emonk.agents.jr_engineer.review.checks.missing_tests import NAME as MISSING_TESTS
from emonk.agents.jr_engineer.review.checks.missing_tests import check_missing_tests
from emonk.agents.jr_engineer.review.checks.modules import read_modules
from emonk.agents.jr_engineer.review.checks.ruff import ruff_version
from emonk.agents.jr_engineer.review.checks.secrets import NAME as SECRETS
from emonk.agents.jr_engineer.review.checks.secrets import check_secrets
from emonk.agents.jr_engineer.review.comparison import Comparison
from emonk.agents.jr_engineer.review.diff import read_diff
from emonk.agents.jr_engineer.review.findings import SEVERITIES, LedgerRow, Outcome, Review, Summary, number
from emonk.agents.jr_engineer.review.processes import Processes
from emonk.agents.jr_engineer.review.repository import Repository, open_repository
from emonk.agents.jr_engineer.review.source import read_sources
from emonk.errors import ConfigError, InfraError, InvalidConfig

CHECKS = [SYNTAX, RUFF, SECRETS, MISSING_TESTS, DOCS_GAPS]
Progress = Callable[[str], None]


def review(
    path: Path,
    base: str = "",
    head: str = "HEAD",
    *,
    commits: int = 1,
    progress: Progress | None = None,
    processes: Processes | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Review:
    """Review what `head` changed since it left `base`; blocking, for a thread.

    Args:
        path: a directory in the repository.
        base: a revision; empty for `commits` commits before head, or the beginning of history.
        head: a revision.
        commits: how many commits to review when no base is named.
        progress: is told each stage in a few words.
        processes: where children run; its `cancel()` ends the review.
        clock: seconds.

    Raises:
        InvalidConfig: no repository, an unknown revision, no common history.
        ConfigError: git is not installed.
        InfraError: git failed.
        Cancelled: `processes` was cancelled.
    """
    started = clock()
    tell = progress or _silent
    with (
        open_repository(path.expanduser(), processes or Processes()) as repository,
        TemporaryDirectory("-emonk") as scratch,
    ):
        tell("reading the diff")
        head_sha = repository.resolve(head)
        base_sha = _base(repository, base, head_sha, commits)
        comparison = _compare(repository, repository.merge_base(base_sha, head_sha), head_sha, Path(scratch))
        outcome = _check(comparison, tell)
        return _review(comparison, base_sha, outcome, lambda: clock() - started)


def _silent(stage: str) -> None:
    """Nobody watches."""


def _base(repository: Repository, base: str, head: str, commits: int) -> str:
    if base == repository.empty_tree:
        return base
    if base:
        return repository.resolve(base)
    if commits < 1:
        raise InvalidConfig(f"cannot review the last {commits} commits", hint="name 1 or more")
    return repository.ancestor(head, commits)


def _compare(repository: Repository, base: str, head: str, scratch: Path) -> Comparison:
    repository.refuse_huge(base, head)
    changes = read_diff(repository, base, head)
    files = read_sources(repository, changes)
    tree = repository.tree(head) if files else []
    return Comparison(repository=repository, base=base, head=head, files=files, tree=tree, scratch=scratch)


def _check(comparison: Comparison, tell: Progress) -> Outcome:
    """Every check over every file, one after the other; ruff uses both cores of a small machine itself."""
    if not comparison.files:
        return Outcome([], [])
    python = sum(file.python for file in comparison.files)
    tell(f"running ruff on {python} Python {'file' if python == 1 else 'files'}")
    lint = _attempted(comparison, [SYNTAX, RUFF], lambda: check_lint(comparison))
    tell("looking for tests and documentation")
    modules = read_modules(comparison.files)
    comparison.repository.processes.check()
    outcomes = [
        lint,
        _attempted(comparison, [SECRETS], lambda: check_secrets(comparison)),
        _attempted(comparison, [MISSING_TESTS], lambda: check_missing_tests(comparison, modules)),
        _attempted(comparison, [DOCS_GAPS], lambda: check_docs_gaps(comparison, modules)),
    ]
    rows = [row for outcome in outcomes for row in outcome.ledger]
    position = {file.path: index for index, file in enumerate(comparison.files)}
    rows.sort(key=lambda row: (position[row.file], CHECKS.index(row.check)))
    return Outcome([draft for outcome in outcomes for draft in outcome.drafts], rows)


def _attempted(comparison: Comparison, names: list[str], check: Callable[[], Outcome]) -> Outcome:
    """What the check says; where it fails as a whole, that it says nothing about any file."""
    outcome = attempt("every file", " and ".join(names), check)
    if isinstance(outcome, Outcome):
        return outcome
    rows = [LedgerRow(file.path, name, "failed", outcome.reason) for file in comparison.files for name in names]
    return Outcome([], rows)


def _review(comparison: Comparison, base: str, outcome: Outcome, elapsed: Callable[[], float]) -> Review:
    findings = number(outcome.drafts)
    counted = Counter(finding.severity for finding in findings)
    changes = [file.change for file in comparison.files]
    tools = _tools(comparison)
    summary = Summary(
        base=base,
        merge_base=comparison.base,
        head=comparison.head,
        files=len(changes),
        lines_added=sum(change.added_count for change in changes),
        lines_removed=sum(change.removed_count for change in changes),
        findings={severity: counted[severity] for severity in SEVERITIES},
        checks=CHECKS,
        tools=tools,
        seconds=round(elapsed(), 3),
        complete=all(row.status != "failed" for row in outcome.ledger),
        message=_message(comparison, outcome.ledger, len(findings)),
    )
    return Review(findings, outcome.ledger, summary)


def _message(comparison: Comparison, ledger: list[LedgerRow], findings: int) -> str:
    """In words; that nothing was found is said only of what was looked at."""
    if not comparison.files:
        return f"nothing changed between {comparison.base[:12]} and {comparison.head[:12]}"
    looked = {row.check for row in ledger if row.looked}
    if not findings and not looked:
        return "nothing here that could be checked"
    if not findings and looked == {SECRETS}:
        return "nothing here that could be checked but for secrets, of which there are none"
    return f"{findings} {'finding' if findings == 1 else 'findings'}"


def _tools(comparison: Comparison) -> dict[str, str]:
    """Versions; ruff's is missing where ruff is, which the ledger says."""
    repository = comparison.repository
    tools = {"git": repository.version()}
    try:
        return {**tools, "ruff": ruff_version(repository.processes, comparison.scratch)}
    except (ConfigError, InfraError):
        return tools
