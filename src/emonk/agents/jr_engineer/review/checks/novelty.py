"""Which of head's findings the change itself brought.

A finding counts as brought when it stands on a changed line and base did not have it: neither on the line that this one
replaced, nor on lines that moved, in this file or from another. Of those on unchanged lines, undefined and unused names
count too when the change caused them; they are shown where it did.
"""

import difflib
from collections import Counter, defaultdict
from functools import cached_property, lru_cache

import msgspec

from emonk.agents.jr_engineer.review.checks.ruff import Hit
from emonk.agents.jr_engineer.review.checks.rules import names_in
from emonk.agents.jr_engineer.review.diff import FileChange, Hunk

_CAUSED_ELSEWHERE = {"F401", "F821", "F822", "F841"}
_SIMILAR = 0.75
_LONG = 500
_Key = tuple[str, str]


class Brought(msgspec.Struct, frozen=True):
    """A finding that the change brought; `line` is where the diff shows it, `hit.line` where it stands."""

    hit: Hit
    line: int

    @property
    def elsewhere(self) -> bool:
        return self.line != self.hit.line


class Versions(msgspec.Struct, frozen=True):
    """Both versions' findings in one file."""

    change: FileChange
    base: list[Hit]
    head: list[Hit]


def brought(files: list[Versions]) -> list[list[Brought]]:
    """For each file, what the change brought to it."""
    remaining = [_without_unchanged(file) for file in files]
    gone = Counter(_key(hit) for file in remaining for hit in file.base)
    return [_of_file(file, gone) for file in remaining]


def _without_unchanged(file: Versions) -> Versions:
    """Take away what stands on the same unchanged line in both."""
    mapped = Counter((hit.code, file.change.head_line(hit.line)) for hit in file.base)
    head: list[Hit] = []
    kept: Counter[tuple[str, int | None]] = Counter()
    for hit in file.head:
        place = (hit.code, hit.line)
        if mapped[place] > kept[place]:
            kept[place] += 1
        else:
            head.append(hit)
    base: list[Hit] = []
    for hit in file.base:
        place = (hit.code, file.change.head_line(hit.line))
        if place[1] is None or not kept[place]:
            base.append(hit)
        else:
            kept[place] -= 1
    return Versions(file.change, base, head)


def _of_file(file: Versions, gone: Counter[_Key]) -> list[Brought]:
    found: list[Brought] = []
    replaced = list(file.base)
    causes = _Causes(file.change)
    for hit in file.head:
        hunk = file.change.hunk_at(hit.line) or _hunk_within(file.change, hit)
        if hunk is None:
            line = causes.line_for(hit)
            if line is not None:
                found.append(Brought(hit, line))
        elif not _had(hit, hunk, replaced, gone):
            found.append(Brought(hit, max(hit.line, hunk.head_start)))
    return found


def _hunk_within(change: FileChange, hit: Hit) -> Hunk | None:
    """The hunk that changed a later line of what the finding spans."""
    line = change.first_added(hit.line, hit.end_line)
    return None if line is None else change.hunk_at(line)


def _had(hit: Hit, hunk: Hunk, replaced: list[Hit], gone: Counter[_Key]) -> bool:
    """Whether base had the finding: on the lines that the hunk replaced, or on lines that moved here."""
    key = _key(hit)
    if gone[key] and not _is_import(hit.text):
        gone[key] -= 1
        return True
    for earlier in replaced:
        if hunk.removed and hunk.base_start <= earlier.line <= hunk.base_end and _alike(hit, earlier):
            replaced.remove(earlier)
            gone[_key(earlier)] -= 1
            return True
    return False


def _alike(hit: Hit, earlier: Hit) -> bool:
    if hit.code != earlier.code or names_in(hit.message) != names_in(earlier.message):
        return False
    return _similar(earlier.text, hit.text)


@lru_cache(1024)
def _similar(earlier: str, later: str) -> bool:
    """Of a long line only the beginning counts, because comparing costs the square of its length."""
    first, second = earlier.strip()[:_LONG], later.strip()[:_LONG]
    return difflib.SequenceMatcher(None, first, second, autojunk=False).ratio() >= _SIMILAR


class _Causes:
    """Where one file's diff takes names away."""

    def __init__(self, change: FileChange) -> None:
        self._change = change

    def line_for(self, hit: Hit) -> int | None:
        """The line of the diff that made a name on an unchanged line undefined or unused."""
        if hit.code not in _CAUSED_ELSEWHERE:
            return None
        hunks = [hunk for name in names_in(hit.message) for hunk in self._lost.get(name, [])]
        nearest = min(hunks, key=lambda hunk: (abs(hunk.head_start - hit.line), hunk.head_start), default=None)
        return None if nearest is None else max(nearest.head_start, 1)

    @cached_property
    def _lost(self) -> dict[str, list[Hunk]]:
        lost: dict[str, list[Hunk]] = defaultdict(list)
        for hunk in self._change.hunks:
            for word in _words(hunk.removed) - _words(hunk.added):
                lost[word].append(hunk)
        return lost


def _words(lines: tuple[str, ...]) -> set[str]:
    text = "\n".join(lines)
    return set("".join(c if c.isalnum() or c == "_" else " " for c in text).split())


def _is_import(text: str) -> bool:
    """Imports look the same everywhere: an unused one that went elsewhere excuses no new one."""
    return text.lstrip().startswith(("import ", "from "))


def _key(hit: Hit) -> _Key:
    return hit.code, _spaced(hit.text)


@lru_cache(1024)
def _spaced(text: str) -> str:
    return " ".join(text.split())
