"""A review as text for a terminal, as Markdown, and as JSON."""

import textwrap
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Literal, cast, get_args

import msgspec

from emonk.agents.jr_engineer.review.findings import SEVERITIES, Finding, LedgerRow, Review, Severity
from emonk.agents.jr_engineer.review.visible import code_block, code_span, one_line, prose, visible, visible_json

Format = Literal["text", "markdown", "json"]
FORMATS: tuple[Format, ...] = get_args(Format)

_COLOURS: dict[Severity, str] = {"critical": "1;31", "high": "31", "medium": "33", "low": "36", "info": "2"}


def as_json(review: Review) -> str:
    """One object with `findings`, `ledger` and `summary`; half characters of broken names become escapes."""
    plain = msgspec.to_builtins(review)
    return visible_json(msgspec.json.format(msgspec.json.encode(_encodable(plain)), indent=2).decode()) + "\n"


def as_markdown(review: Review) -> str:
    """For a comment or a chat page."""
    return "\n\n".join(_markdown(review)) + "\n"


def as_text(review: Review, *, width: int = 100, colour: bool = False) -> str:
    """For a terminal `width` columns wide."""
    return "\n".join(_text(review, max(width, 40), _painter(colour=colour))) + "\n"


def _text(review: Review, width: int, paint: Callable[[str, str], str]) -> Iterator[str]:
    yield from textwrap.wrap(one_line(_headline(review)), width)
    for finding in review.findings:
        yield ""
        label = paint(finding.severity.upper().ljust(8), _COLOURS[finding.severity])
        yield f"{label} {paint(one_line(_place(finding)), '1')}  {finding.rule}"
        yield from _wrapped(finding.title, width)
        if finding.detail.rstrip(".") != finding.title.rstrip("."):
            yield from _wrapped(finding.detail, width)
        yield from (f"    | {line}" for line in visible(finding.evidence).split("\n"))
    yield ""
    if not review.summary.complete:
        yield paint("INCOMPLETE: not everything could be checked.", "1;31")
        yield from (f"  not checked: {one_line(_gap(row))}" for row in _failed(review))
    yield from textwrap.wrap(_totals(review), width)
    for line in _checked(review):
        yield from textwrap.wrap(one_line(line), width, subsequent_indent="  ")


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(
        one_line(text),
        width,
        initial_indent="  ",
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _markdown(review: Review) -> Iterator[str]:
    yield f"**{prose(_headline(review))}**"
    for finding in review.findings:
        yield f"### {finding.severity.upper()} {code_span(_place(finding))} {prose(finding.rule)}"
        yield prose(finding.title)
        if finding.detail.rstrip(".") != finding.title.rstrip("."):
            yield prose(finding.detail)
        yield code_block(finding.evidence)
    if not review.summary.complete:
        gaps = "\n".join(f"- {code_span(row.file)}, {row.check}: {prose(row.reason)}" for row in _failed(review))
        yield f"**Incomplete: not everything could be checked.**\n\n{gaps}"
    yield prose(_totals(review))
    yield "\n".join(f"- {prose(line)}" for line in _checked(review))


def _headline(review: Review) -> str:
    summary = review.summary
    span = f"{summary.merge_base[:12]}..{summary.head[:12]}"
    if not summary.files:
        return f"Review of {span}: {summary.message}."
    counted = f"{summary.files} {'file' if summary.files == 1 else 'files'}"
    return f"Review of {span}: {counted}, +{summary.lines_added} -{summary.lines_removed}"


def _totals(review: Review) -> str:
    if not review.summary.files:
        return "No findings: there was nothing to review."
    counts = [
        f"{review.summary.findings[severity]} {severity}"
        for severity in SEVERITIES
        if review.summary.findings[severity]
    ]
    if counts:
        return f"{review.summary.message}: {', '.join(counts)}"
    message = review.summary.message
    return f"{message[0].upper()}{message[1:]}." if message.startswith("nothing") else "No findings."


def _checked(review: Review) -> Iterator[str]:
    """What each check did, in one line: a review that looked at little must say so."""
    for check in review.summary.checks if review.summary.files else []:
        rows = [row for row in review.ledger if row.check == check]
        looked = sum(row.looked for row in rows)
        reasons = Counter(
            f"{row.status} ({row.reason.split(':')[0]})" for row in rows if row.status in {"skipped", "failed"}
        )
        aside = "".join(f", {count} {reason}" for reason, count in reasons.most_common())
        yield f"{check}: looked at {looked} of {len(rows)} files{aside}"
    tools = ", ".join(f"{name} {version}" for name, version in review.summary.tools.items())
    yield f"with {tools} in {review.summary.seconds:.1f} s"


def _failed(review: Review) -> list[LedgerRow]:
    return [row for row in review.ledger if row.status == "failed"]


def _gap(row: LedgerRow) -> str:
    return f"{row.file}, {row.check}: {row.reason}"


def _place(finding: Finding) -> str:
    return f"{finding.file}:{finding.line}"


def _painter(*, colour: bool) -> Callable[[str, str], str]:
    def paint(text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if colour else text

    return paint


def _encodable(value: Any) -> Any:
    """JSON is UTF-8, which has no half characters."""
    match value:
        case str():
            return value.encode("utf-8", "backslashreplace").decode()
        case list():
            return [_encodable(item) for item in cast("list[Any]", value)]
        case dict():
            return {key: _encodable(item) for key, item in cast("dict[str, Any]", value).items()}
        case _:
            return value
