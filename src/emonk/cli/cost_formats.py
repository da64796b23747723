"""Costs as a table with bars, as JSON and as CSV."""

import csv
import io
import shutil
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

from emonk.cli.terminal import bold, dim, one_line, visible

if TYPE_CHECKING:
    from decimal import Decimal

    from emonk.costs.savings import Savings
    from emonk.costs.tracker import Spent

GAP = "  "
NAME_LEAST = 12
BAR_LEAST, BAR_MOST = 8, 24
WIDTH = 80
"""Of the table where it goes to no terminal."""

_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""How a cell begins that a spreadsheet would compute: https://owasp.org/www-community/attacks/CSV_Injection."""

_ESCAPES = {code: f"\\u{code:04x}" for code in (*range(0x7F, 0xA0), 0x2028, 0x2029)}
"""What JSON need not escape, but a terminal obeys."""

_SIGNS = {ord("\t"): "\u2409", ord("\n"): "\u240a", ord("\r"): "\u240d", 0x2028: "\\u2028", 0x2029: "\\u2029"}


class Report(NamedTuple):
    """Sums of costs by one word, and over all."""

    by: str
    rows: "Sequence[Spent]"
    total: "Spent"
    savings: "Savings"
    since: str | None
    until: str | None

    @classmethod
    def empty(cls, by: str, *, since: str | None, until: str | None) -> "Report":
        """Of a ledger that is not there."""
        from decimal import Decimal  # noqa: PLC0415 - help is shown without these

        from emonk.costs.savings import Savings  # noqa: PLC0415
        from emonk.costs.tracker import Spent  # noqa: PLC0415
        from emonk.records import Usage  # noqa: PLC0415

        return cls(by, (), Spent((), Decimal(0), 0, 0, 0, 0, Usage()), Savings(), since, until)

    @property
    def ordered(self) -> "list[Spent]":
        """Days as they came, all else the dearest first."""
        if self.by == "day":
            return list(self.rows)
        return sorted(self.rows, key=lambda one: (-(one.cost_usd or 0), one.group))

    @property
    def period(self) -> str:
        """As the heading says it."""
        since = f" since {self.since}" if self.since else ""
        return since + (f" until {self.until}" if self.until else "")


def as_text(report: Report, stream: TextIO) -> Iterator[str]:
    """A table with bars as wide as the terminal, and what is not in its sum."""
    if not report.total.calls:
        yield f"no costs{report.period}" if report.period else "no costs yet"
        return
    width = shutil.get_terminal_size((WIDTH, 24)).columns if stream.isatty() else WIDTH
    yield from _table(report, stream, width)
    yield from _remarks(report)


def as_json(report: Report) -> str:
    """One object: the rows, their total, and the savings."""
    from emonk.gateway.wire import encode  # noqa: PLC0415 - help is shown without it

    savings = report.savings
    whole = {
        "by": report.by,
        "since": report.since,
        "until": report.until,
        "rows": [{report.by: one.group[0], **_fields(one)} for one in report.ordered],
        "total": _fields(report.total),
        "savings": {
            "calls": savings.calls,
            "cost_usd": _exact(savings.cost_usd),
            "lead_usd": _exact(savings.lead_usd),
            "saved_usd": _exact(savings.saved_usd),
            "share": round(savings.share, 4),
            "unknown": savings.unknown,
        },
    }
    return encode(whole).decode().translate(_ESCAPES)


def as_csv(report: Report) -> str:
    """A heading and the rows. A cell that a spreadsheet would compute begins with an apostrophe."""
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow([report.by, *_fields(report.total)])
    for one in report.ordered:
        name = _shown(one.group[0])
        safe = f"'{name}" if name.lstrip().startswith(_FORMULA) else name
        writer.writerow([safe, *("" if value is None else value for value in _fields(one).values())])
    return lines.getvalue().rstrip("\n")


def _shown(name: str) -> str:
    """An id as a terminal may show it and a spreadsheet may hold it, on one line, its spaces kept."""
    return visible(name.translate(_SIGNS))


def _fields(one: "Spent") -> dict[str, Any]:
    """What is told of a sum; its cost is null where no call's is known, never 0."""
    import msgspec  # noqa: PLC0415 - help is shown without it

    return {
        "calls": one.calls,
        "failed": one.failed,
        "unfinished": one.unfinished,
        "unpriced": one.unpriced,
        **msgspec.structs.asdict(one.usage),
        "cost_usd": None if one.cost_usd is None else _exact(one.cost_usd),
    }


def _exact(amount: "Decimal") -> str:
    """All its places, without zeros at the end."""
    return f"{amount.normalize():f}"


def _table(report: Report, stream: TextIO, width: int) -> Iterator[str]:
    """A heading, a row for each sum, and the total. What does not fit is left out: first tokens, then bars."""
    from emonk.cli.columns import cells, clipped  # noqa: PLC0415 - help is shown without it

    rows = report.ordered
    heading = (report.by.upper(), "CALLS", "TOKENS IN", "TOKENS OUT", "USD")
    table = [heading, *(_cells(one, one.group[0]) for one in rows), _cells(report.total, "total")]
    numbers = [max(len(row[column]) for row in table) for column in range(1, 5)]
    chosen = (1, 2, 3, 4) if width >= NAME_LEAST + sum(numbers) + 4 * len(GAP) + len(GAP) + BAR_LEAST else (1, 4)
    taken = sum(numbers[column - 1] + len(GAP) for column in chosen)
    longest = max(cells(row[0]) for row in table)
    name = max(min(longest, width - taken - len(GAP) - 1 - BAR_LEAST), NAME_LEAST)
    if len({clipped(row[0], name) for row in table}) < len({row[0] for row in table}):
        name = max(min(longest, width - taken), NAME_LEAST)  # names that look the same are worth more than bars
    bar = min(width - taken - name - len(GAP) - 1, BAR_MOST)
    most = max((one.cost_usd or 0 for one in rows), default=0)
    for number, row in enumerate(table):
        shown = clipped(row[0], name)
        line = shown + " " * (name - cells(shown))
        line += "".join(GAP + row[column].rjust(numbers[column - 1]) for column in chosen)
        if number == 0:
            yield bold(line, stream)
        elif number <= len(rows) and bar >= BAR_LEAST and most:
            yield (line + GAP + dim(_bar(float((rows[number - 1].cost_usd or 0) / most), bar, stream), stream)).rstrip()
        else:
            yield line


def _cells(one: "Spent", name: str) -> tuple[str, ...]:
    usage = one.usage
    amount = "unpriced" if one.cost_usd is None else f"{one.cost_usd:.6f}"
    shown = one_line(name) or "(none)"
    return shown, f"{one.calls:,}", f"{usage.input_tokens:,}", f"{usage.output_tokens:,}", amount


def _bar(share: float, width: int, stream: TextIO) -> str:
    """Eighths of a cell, where the terminal has such signs."""
    eighths = round(share * width * 8)
    if share > 0 and not eighths:
        eighths = 1
    whole, rest = divmod(eighths, 8)
    bar = "\u2588" * whole + ("\u258f\u258e\u258d\u258c\u258b\u258a\u2589"[rest - 1] if rest else "")
    try:
        bar.encode(stream.encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return "#" * max(whole, 1)
    return bar


def _remarks(report: Report) -> Iterator[str]:
    from emonk.cli.amounts import counted, usd  # noqa: PLC0415 - help is shown without it

    total, savings = report.total, report.savings
    unpriced = total.unpriced - total.unfinished
    if unpriced > 0:
        yield f"{counted(unpriced, 'call')} unpriced: what {_they(unpriced)} cost is not in the sum"
    if total.unfinished:
        yield f"{counted(total.unfinished, 'call')} unfinished: under way, or cut off and maybe billed"
    if total.failed:
        yield f"{counted(total.failed, 'call')} failed"
    if savings.saved_usd > 0:
        saved = f"saved {usd(savings.saved_usd)} ({savings.share:.0%})"
        yield f"{saved} against the lead for every call, on the same tokens"
    elif savings.saved_usd < 0:
        yield f"{usd(-savings.saved_usd)} more than the lead for every call would have cost, on the same tokens"


def _they(number: int) -> str:
    return "it" if number == 1 else "they"
