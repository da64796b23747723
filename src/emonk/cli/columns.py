"""Two texts next to each other."""

import unicodedata
from collections.abc import Iterator
from itertools import zip_longest

from emonk.cli.terminal import visible

DIVIDER = " \u2502 "


def side_by_side(left: str, right: str, width: int) -> Iterator[str]:
    """The lines of both, broken to half of `width` cells each and safe to show."""
    room = max((width - len(DIVIDER)) // 2, 1)
    for one, other in zip_longest(_broken(left, room), _broken(right, room), fillvalue=""):
        yield f"{one}{' ' * (room - cells(one))}{DIVIDER}{other}".rstrip()


def clipped(line: str, room: int) -> str:
    """A line of at most `room` cells (3 or more); one that was cut ends in a sign."""
    return line if cells(line) <= room else _cut(line, max(room - 1, 1))[0].rstrip() + "\u2026"


def _broken(text: str, room: int) -> Iterator[str]:
    for line in visible(text).expandtabs(4).splitlines():
        yield from _wrapped(line, room)


def _wrapped(line: str, room: int) -> Iterator[str]:
    """Between words where that is possible, and within a word that is longer than the room."""
    shown = ""
    for word in line.split(" "):
        joined = f"{shown} {word}" if shown else word
        if cells(joined) <= room:
            shown = joined
            continue
        if shown:
            yield shown
        *whole, shown = _cut(word, room)
        yield from whole
    yield shown


def _cut(word: str, room: int) -> list[str]:
    pieces = [""]
    taken = 0
    for letter in word:
        wide = cells(letter)
        if taken + wide > room and pieces[-1]:
            pieces.append("")
            taken = 0
        pieces[-1] += letter
        taken += wide
    return pieces


def cells(text: str) -> int:
    """How many cells of a terminal the text takes (Unicode Standard Annex 11)."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(each) else 1 + (unicodedata.east_asian_width(each) in "WF") for each in text)
