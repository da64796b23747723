"""How much of one rule in one file is shown."""

from collections import defaultdict

import msgspec

from emonk.agents.jr_engineer.review.findings import SEVERITIES, Draft

MOST_SHOWN = 50
"""Findings of one rule in one file; what is beyond them is counted in one more."""
_MOST_LINES = 100


class Shown(msgspec.Struct, frozen=True):
    """What is shown of a file's findings, and in words what that leaves out."""

    drafts: list[Draft]
    left_out: str


def limited(drafts: list[Draft]) -> Shown:
    """The first findings of each rule, and one that stands for the others."""
    by_rule: dict[str, list[Draft]] = defaultdict(list)
    for draft in drafts:
        by_rule[draft.finding.rule].append(draft)
    shown = [draft for found in by_rule.values() for draft in found[:MOST_SHOWN]]
    beyond = {rule: found[MOST_SHOWN:] for rule, found in by_rule.items() if len(found) > MOST_SHOWN}
    left_out = ", ".join(f"{len(rest)} more of {rule} in one finding" for rule, rest in beyond.items())
    return Shown([*shown, *(_summary(rest) for rest in beyond.values())], left_out)


def _summary(rest: list[Draft]) -> Draft:
    first = rest[0].finding
    lines = list(dict.fromkeys(draft.finding.line for draft in rest))
    named = ", ".join(map(str, lines[:_MOST_LINES]))
    more = f" and {len(lines) - _MOST_LINES} other lines" if len(lines) > _MOST_LINES else ""
    finding = msgspec.structs.replace(
        first,
        severity=min((draft.finding.severity for draft in rest), key=SEVERITIES.index),
        title=f"{len(rest)} more findings of {first.rule} in this file",
        detail=f"They stand in line {named}{more}. The first of them: {first.title}",
    )
    return Draft(finding, "more")
