"""Markdown as a terminal shows it: line by line, as a model says it; what is piped on stays as it is."""

import re
import shutil
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import TextIO

from emonk.cli.terminal import bold, visible
from emonk.extend import styled

WIDEST = 100
NARROWEST_COLUMN = 8
LONGEST = 4000
"""Characters of a line in which marks are looked for; that takes longer than in proportion."""

_FENCE = re.compile(r"\s*(```+|~~~+)\s*[^`]*$")
_HEADING = re.compile(r" {0,3}#{1,6}\s+(.*?)(?:\s+#+)?\s*$")
_RULE = re.compile(r" {0,3}([-*_])(?:\s*\1){2,}\s*$")
_START = re.compile(r"(\s*)((?:[-*+]|\d{1,9}[.)])\s+|(?:> ?)+)?(.*)")
_DASHES = re.compile(r":?-+:?")
_BAR = re.compile(r"(?<!\\)\|")
_MARKED = re.compile(
    r"(?P<tick>`+)(?P<code>[^`](?:.*?[^`])?)(?P=tick)(?!`)"
    r"|\*\*(?P<strong>\S(?:.*?\S)?)\*\*"
    r"|\*(?P<star>[^\s*](?:[^*]*[^\s*])?)\*"
    r"|(?<!\w)_(?P<line>[^\s_](?:[^_]*[^\s_])?)_(?!\w)"
    r"|~~(?P<gone>\S(?:.*?\S)?)~~"
    r"|\[(?P<text>[^\]]+)\]\((?P<address>\S+?)\)"
    r"|\\(?P<escaped>[!-/:-@\[-`{-~])"
)
_CODES = re.compile(r"\x1b\[\d+m")


def rendered(text: str, stream: TextIO) -> str:
    """A whole text, safe to show, as it goes to `stream`; without a line end."""
    flow = Flow(stream)
    return (flow.feed(visible(text)) + flow.end()).rstrip("\n")


class Flow:
    """Takes Markdown in pieces and gives what can be shown of it so far.

    On a terminal, marks become looks (none of them where NO_COLOR is set) and lines break between words.
    """

    def __init__(self, stream: TextIO) -> None:
        self._raw = not stream.isatty()
        self._stream = stream
        self._width = min(shutil.get_terminal_size().columns, WIDEST)
        self._line = ""
        self._rows: list[str] = []
        self._fence = ""

    def feed(self, text: str) -> str:
        """What is complete with this piece; a line, or a table, is held until it is whole."""
        *whole, self._line = (self._line + text).split("\n")
        if self._raw:
            return text
        return "".join(f"{shown}\n" for line in whole for shown in self._shown(line))

    def end(self) -> str:
        """What is still held, to the end of its line."""
        line, self._line = self._line, ""
        if self._raw:
            return "\n" if line else ""
        shown = [*(self._shown(line) if line else ()), *self._table()]
        self._fence = ""
        return "".join(f"{each}\n" for each in shown)

    def _shown(self, line: str) -> Iterator[str]:
        line = line.expandtabs(4)
        if not self._fence and _BAR.search(line):
            self._rows.append(line)
            return
        yield from self._table()
        fence = _FENCE.match(line)
        if self._fence:
            if fence and line.strip().startswith(self._fence):
                self._fence = ""
            else:
                yield f"    {line}".rstrip()
        elif fence:
            self._fence = fence[1]
        else:
            yield from self._prose(line)

    def _prose(self, line: str) -> Iterator[str]:
        if heading := _HEADING.match(line):
            yield from (bold(part, self._stream) for part in _wrapped(plain(heading[1]), self._width))
        elif _RULE.match(line):
            yield "\u2500" * min(self._width, 40)
        elif start := _START.fullmatch(line):
            indent, mark, rest = start[1], start[2] or "", start[3]
            shown = indent + ("\u2502 " * mark.count(">") or _bullet(mark))
            hanging = shown if ">" in mark else " " * len(shown)
            parts = _wrapped(self._inline(rest), self._width - len(shown))
            yield from (((hanging if n else shown) + part).rstrip() for n, part in enumerate(parts))

    def _table(self) -> Iterator[str]:
        """The rows that were held, as a table if they are one."""
        held, self._rows = self._rows, []
        rows = [_cells(row) for row in held]
        if len(rows) < 2 or len(rows[0]) != len(rows[1]) or not all(map(_DASHES.fullmatch, rows[1])):
            for row in held:
                yield from self._prose(row)
            return
        head, body = [plain(cell) for cell in rows[0]], [[self._inline(cell) for cell in row] for row in rows[2:]]
        widths = _fitting(
            [max(map(_cells_wide, column)) for column in zip_longest(head, *body, fillvalue="")], self._width
        )
        yield from (bold(line, self._stream) for line in _row(head, widths))
        yield "  ".join("\u2500" * width for width in widths)
        for row in body:
            yield from _row(row, widths)

    def _inline(self, text: str) -> str:
        return _unmarked(text, looks=styled(self._stream))


def plain(text: str) -> str:
    """A line's text without its marks."""
    return _unmarked(text, looks=False)


def _unmarked(text: str, *, looks: bool) -> str:
    def look(inner: str, on: int, off: int) -> str:
        return f"\x1b[{on}m{inner}\x1b[{off}m" if looks else inner

    def replaced(found: re.Match[str]) -> str:
        match found.lastgroup:
            case "code":
                return look(found["code"].strip(), 36, 39)
            case "strong":
                return look(_unmarked(found["strong"], looks=looks), 1, 22)
            case "star" | "line" as kind:
                return look(_unmarked(found[kind], looks=looks), 3, 23)
            case "address":
                label = _unmarked(found["text"], looks=looks)
                return label if found["text"] == found["address"] else f"{label} ({found['address']})"
            case "gone":
                return _unmarked(found["gone"], looks=looks)
            case _:
                return found["escaped"]

    return text if len(text) > LONGEST else _MARKED.sub(replaced, text)


def _bullet(mark: str) -> str:
    return "\u2022 " if mark.strip() in {"-", "*", "+"} else mark


def _cells(row: str) -> list[str]:
    cells = _BAR.split(row.strip())
    first, last = int(not cells[0].strip()), len(cells) - int(len(cells) > 1 and not cells[-1].strip())
    return [cell.strip().replace("\\|", "|") for cell in cells[first:last]]


def _fitting(widths: list[int], room: int) -> list[int]:
    """Column widths that fit, taken from the widest."""
    while sum(widths) + 2 * (len(widths) - 1) > room and max(widths) > NARROWEST_COLUMN:
        widths[widths.index(max(widths))] -= 1
    return widths


def _row(cells: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    columns = [_wrapped(cell, width) for cell, width in zip(cells, widths, strict=False)]
    for parts in zip_longest(*columns, fillvalue=""):
        padded = (part + " " * (width - _cells_wide(part)) for part, width in zip(parts, widths, strict=False))
        yield "  ".join(padded).rstrip()


def _wrapped(text: str, width: int) -> list[str]:
    """Lines of whole words; one that is wider than `width` has a line to itself."""
    lines = [""]
    for word in text.split(" "):
        joined = f"{lines[-1]} {word}" if lines[-1] else word
        if lines[-1] and _cells_wide(joined) > width:
            lines.append(word)
        else:
            lines[-1] = joined
    return lines


def _cells_wide(text: str) -> int:
    """How many cells of a terminal the text takes (Unicode Standard Annex 11)."""
    bare = _CODES.sub("", text)
    if bare.isascii():
        return len(bare)
    return sum(0 if unicodedata.combining(each) else 1 + (unicodedata.east_asian_width(each) in "WF") for each in bare)
