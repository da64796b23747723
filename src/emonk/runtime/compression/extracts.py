"""Extracts as sections of lines: read back from a summary before, merged with newer ones, and fitted into a length."""

import re
from collections.abc import Iterable, Sequence
from itertools import accumulate

HEADER = "(Extracts, not written by a model.)"
EARLIER = "Earlier"

_WEIGHTS = {EARLIER: 3, "Requests": 3, "Decisions": 2, "Tools": 2, "Named": 1, "Open questions": 1}
"""The sections in their order, and how many parts of the room each may have when all want more than there is."""

_COUNTS = {"Requests": 12, "Decisions": 8, "Tools": 12, "Named": 30, "Open questions": 4}
_EARLIER_SHARE = 3
"""A summary by a model that is folded in takes at most one part in so many."""

_LEAST = (3, 20)
"""Words and characters: a line that is clipped to less says nothing."""

Sections = dict[str, list[str]]
Room = tuple[int, int]
"""Words and characters."""


def read(summary: str) -> Sections:
    """The sections of extracts, those of older extracts nested in them too; any other summary is the `Earlier` one."""
    extracts = summary.startswith(HEADER)
    found: Sections = {EARLIER: []}
    title = EARLIER
    for line in filter(None, (" ".join(line.split()) for line in summary.splitlines())):
        bare = line.removeprefix("- ")
        if extracts and line == HEADER:
            continue
        if extracts and line.endswith(":") and line[:-1] in _WEIGHTS:
            title = line[:-1]
        elif title == "Named":
            found.setdefault(title, []).extend(bare.split(", "))
        else:
            found.setdefault(title, []).append(bare)
    return found


def merged(older: Sections, newer: Sections) -> Sections:
    """Both, each line once and where it was said last; of many lines the newest."""
    both = {title: [*older.get(title, []), *newer.get(title, [])] for title in _WEIGHTS}
    return {title: _once(lines)[-_COUNTS.get(title, len(lines)) :] for title, lines in both.items() if lines}


def written(sections: Sections, *, words: int, characters: int) -> str:
    """The extracts within so many words and characters. What a section does not need goes to the others."""
    room = (words - len(HEADER.split()), characters - len(HEADER))
    kept = {title: list(lines) for title, lines in sections.items() if lines}
    if EARLIER in kept:
        kept[EARLIER] = _beginning(kept[EARLIER], (room[0] // _EARLIER_SHARE, room[1] // _EARLIER_SHARE))
    needs = {title: _sum([_heading(title), *map(_cost, lines)]) for title, lines in kept.items()}
    of_words = _shares({title: need[0] for title, need in needs.items()}, room[0])
    of_characters = _shares({title: need[1] for title, need in needs.items()}, room[1])
    lines = [HEADER]
    for title, wanted in kept.items():
        fit = _beginning if title == EARLIER else _newest
        heading = _heading(title)
        found = fit(wanted, (of_words[title] - heading[0], of_characters[title] - heading[1]))
        if found:
            lines += [f"{title}:", *(f"- {line}" for line in ([", ".join(found)] if title == "Named" else found))]
    return clipped("\n".join(lines), words, characters)


def clipped(text: str, words: int, characters: int) -> str:
    """The text up to so many words and characters, at the end of a word."""
    text = text.strip()
    if len(text) <= characters and len(text.split()) <= words:
        return text
    end = 0
    for count, found in enumerate(re.finditer(r"\S+", text), start=1):
        if count > words or found.end() > characters - 1:
            break
        end = found.end()
    return f"{text[:end] or text[: max(0, characters - 1)]}…"


def _once(lines: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(reversed([line for line in lines if line])))[::-1]


def _shares(needs: dict[str, int], room: int) -> dict[str, int]:
    """What each gets: what it needs where its part of the room suffices, else its part of what those leave."""
    shares: dict[str, int] = {}
    waiting = dict(needs)
    while waiting:
        total = sum(_WEIGHTS[title] for title in waiting)
        parts = {title: max(0, room) * _WEIGHTS[title] // total for title in waiting}
        content = [title for title, need in waiting.items() if need <= parts[title]]
        if not content:
            return shares | parts
        for title in content:
            shares[title] = waiting.pop(title)
            room -= shares[title]
    return shares


def _newest(lines: Sequence[str], room: Room) -> list[str]:
    """The last lines for which there is room; the very last one clipped if it must be."""
    count = sum(_within(cost, room) for cost in accumulate(map(_cost, reversed(lines)), _plus))
    return list(lines[-count:]) if count else _part(lines[-1], room)


def _beginning(lines: Sequence[str], room: Room) -> list[str]:
    """The first lines for which there is room, and the beginning of the next one."""
    costs = list(accumulate(map(_cost, lines), _plus))
    count = sum(_within(cost, room) for cost in costs)
    if count == len(lines):
        return list(lines)
    used = costs[count - 1] if count else (0, 0)
    return [*lines[:count], *_part(lines[count], (room[0] - used[0], room[1] - used[1]))]


def _part(line: str, room: Room) -> list[str]:
    words, characters = room[0] - 1, room[1] - 3
    return [clipped(line, words, characters)] if words >= _LEAST[0] and characters >= _LEAST[1] else []


def _heading(title: str) -> Room:
    return len(title.split()), len(title) + 2


def _cost(line: str) -> Room:
    """With its dash and the end of the line before."""
    return len(line.split()) + 1, len(line) + 3


def _plus(one: Room, other: Room) -> Room:
    return one[0] + other[0], one[1] + other[1]


def _sum(costs: Iterable[Room]) -> Room:
    words, characters = zip(*costs, strict=True)
    return sum(words), sum(characters)


def _within(cost: Room, room: Room) -> bool:
    return cost[0] <= room[0] and cost[1] <= room[1]
