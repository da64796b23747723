"""The check `secrets`: keys and tokens on the lines that the change adds, in any text file."""

from collections.abc import Iterator
from functools import partial

from emonk.agents.jr_engineer.review.attempts import Failed, attempt
from emonk.agents.jr_engineer.review.checks.limits import limited
from emonk.agents.jr_engineer.review.comparison import Comparison
from emonk.agents.jr_engineer.review.credentials import Secret, secrets_in
from emonk.agents.jr_engineer.review.diff import Hunk
from emonk.agents.jr_engineer.review.findings import Draft, Finding, LedgerRow, Outcome
from emonk.agents.jr_engineer.review.source import ChangedFile, is_test
from emonk.agents.jr_engineer.review.visible import cut

NAME = "secrets"


def check_secrets(comparison: Comparison) -> Outcome:
    """A secret that the change only moves is not one that it brought; those in tests are mostly made for them."""
    known = {secret.value for file in comparison.files for secret in _removed(file)}
    drafts: list[Draft] = []
    rows: list[LedgerRow] = []
    for file in comparison.files:
        nothing = _nothing(file)
        found = [] if nothing else attempt(file.path, NAME, partial(_drafts, file, known))
        if isinstance(found, Failed):
            rows.append(LedgerRow(file.path, NAME, "failed", found.reason))
            continue
        shown = limited(found)
        drafts += shown.drafts
        status = "skipped" if nothing else "findings" if found else "ok"
        rows.append(LedgerRow(file.path, NAME, status, nothing or shown.left_out))
    return Outcome(drafts, rows)


def _nothing(file: ChangedFile) -> str:
    """Why there are no added lines to look at."""
    change = file.change
    if change.status == "deleted":
        return "deleted"
    if change.kind != "file":
        return f"a {change.kind}"
    return "binary" if change.binary else ""


def _removed(file: ChangedFile) -> Iterator[Secret]:
    for hunk in file.change.hunks:
        yield from secrets_in("\n".join(hunk.removed))


def _drafts(file: ChangedFile, known: set[str]) -> list[Draft]:
    return [
        _draft(file.path, hunk, text.count("\n", 0, secret.start), secret)
        for hunk in file.change.hunks
        for text in ["\n".join(hunk.added)]
        for secret in secrets_in(text)
        if secret.value not in known
    ]


def _draft(path: str, hunk: Hunk, offset: int, secret: Secret) -> Draft:
    line = hunk.head_start + offset
    finding = Finding(
        file=path,
        line=line,
        end_line=line,
        rule="secret",
        tool="emonk",
        severity="low" if is_test(path) else "high",
        title=f"This looks like a {secret.kind}",
        detail="Whoever can read the repository can use it. History keeps it, so that only revoking it helps.",
        evidence=f"{line}: {cut(hunk.added[offset])}",
    )
    return Draft(finding, secret.value)
