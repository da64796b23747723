"""What a review says: findings, and the ledger of what was looked at."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from typing import Literal, get_args

import msgspec

from emonk.agents.jr_engineer.review.credentials import masked

Severity = Literal["critical", "high", "medium", "low", "info"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""From the gravest to the mildest."""

Status = Literal["ok", "findings", "skipped", "failed"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to look at.

    Attributes:
        id: the same on every run and push, as long as file, rule and the line's text stay.
        line: a head line of the diff, counted from 1.
        evidence: the source lines it is about, and what proves it.
    """

    id: str = ""
    file: str
    line: int
    end_line: int
    rule: str
    tool: str
    severity: Severity
    title: str
    detail: str
    evidence: str


class LedgerRow(msgspec.Struct, frozen=True):
    """What became of one check on one changed file.

    Attributes:
        status: `ok` found nothing, `skipped` had nothing to look at, `failed` could not look at what was there.
        reason: why it was skipped or failed, or how far it went; empty when there is nothing to say.
    """

    file: str
    check: str
    status: Status
    reason: str = ""

    @property
    def looked(self) -> bool:
        return self.status in {"ok", "findings"}


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The frame of a review.

    Attributes:
        base: the SHA that was named as the base.
        merge_base: the SHA that head was compared with: where it left the base.
        findings: how many of each severity.
        complete: whether every check could look at everything it applies to.
    """

    base: str
    merge_base: str
    head: str
    files: int
    lines_added: int
    lines_removed: int
    findings: dict[Severity, int]
    checks: list[str]
    tools: dict[str, str]
    seconds: float
    complete: bool
    message: str


class Review(msgspec.Struct, frozen=True):
    """A finished review."""

    findings: list[Finding]
    ledger: list[LedgerRow]
    summary: Summary

    def reaches(self, severity: Severity) -> bool:
        """Whether any finding is at least that grave."""
        return any(SEVERITIES.index(finding.severity) <= SEVERITIES.index(severity) for finding in self.findings)


class Draft(msgspec.Struct, frozen=True):
    """A finding that has no id yet; `anchor` is the text that tells it from others of its rule in its file."""

    finding: Finding
    anchor: str


class Outcome(msgspec.Struct, frozen=True):
    """What one check made of the whole change."""

    drafts: list[Draft]
    ledger: list[LedgerRow]


def number(drafts: Iterable[Draft]) -> list[Finding]:
    """Findings with their ids, gravest first, then by file and line."""
    seen: Counter[tuple[str, str, str]] = Counter()
    findings: list[Finding] = []
    for draft in sorted(drafts, key=_order):
        key = (draft.finding.rule, draft.finding.file, " ".join(draft.anchor.split()))
        seen[key] += 1
        digest = hashlib.sha256("\0".join([*key, str(seen[key])]).encode("utf-8", "surrogateescape"))
        findings.append(_safe(draft.finding, digest.hexdigest()[:16]))
    return findings


def _safe(finding: Finding, identity: str) -> Finding:
    """With its id and without secrets, also those of more than one line, that any check quoted."""
    title, detail, evidence = masked(finding.title), masked(finding.detail), masked(finding.evidence)
    return msgspec.structs.replace(finding, id=identity, title=title, detail=detail, evidence=evidence)


def _order(draft: Draft) -> tuple[int, str, int, str, str]:
    finding = draft.finding
    return SEVERITIES.index(finding.severity), finding.file, finding.line, finding.rule, draft.anchor
