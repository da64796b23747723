"""Compares what a page shows with what was printed."""

import difflib
import re

ANY_LINES = "..."
ANY_TEXT = "[..]"


def matches(shown: str, printed: str, *, so_far: bool = False) -> bool:
    """Whether the output is as shown: a line `...` stands for any lines, `[..]` for any text within a line.

    With `so_far`, more may follow. Spaces at the end of lines and empty lines at the end do not count.
    """
    wanted, lines = _lines(shown), _lines(printed)
    if so_far:
        wanted.append(ANY_LINES)
    pieces = _split(wanted)
    if len(pieces) == 1:
        return len(pieces[0]) == len(lines) and _at(pieces[0], lines, 0)
    first, *middle, last = pieces
    if not _at(first, lines, 0):
        return False
    position = len(first)
    for piece in middle:
        found = next((start for start in range(position, len(lines) + 1) if _at(piece, lines, start)), None)
        if found is None:
            return False
        position = found + len(piece)
    tail = len(lines) - len(last)
    return tail >= position and _at(last, lines, tail)


def difference(shown: str, printed: str) -> str:
    """What is shown and what was printed, as a diff for the reader of a failure."""
    return "\n".join(difflib.unified_diff(_lines(shown), _lines(printed), "the page shows", "printed", lineterm=""))


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().splitlines()]


def _split(wanted: list[str]) -> list[list[str]]:
    pieces: list[list[str]] = [[]]
    for line in wanted:
        if line.strip() == ANY_LINES:
            pieces.append([])
        else:
            pieces[-1].append(line)
    return pieces


def _at(piece: list[str], lines: list[str], start: int) -> bool:
    if start + len(piece) > len(lines):
        return False
    return all(_same(wanted, line) for wanted, line in zip(piece, lines[start:], strict=False))


def _same(wanted: str, line: str) -> bool:
    if ANY_TEXT not in wanted:
        return wanted == line
    return re.fullmatch(".*".join(re.escape(part) for part in wanted.split(ANY_TEXT)), line) is not None
