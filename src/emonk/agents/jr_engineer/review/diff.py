"""What changed between two trees: the files from git's raw listing, the lines from its patch.

Names come from NUL-separated output and lines are split at line feeds only, so that quoted names, form feeds, lone
carriage returns and Unicode separators shift nothing.
"""

import io
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import Literal

import msgspec
from unidiff.patch import PatchSet

from emonk.agents.jr_engineer.review.repository import Repository, at_most, readable
from emonk.errors import InfraError

Status = Literal["added", "deleted", "modified", "renamed", "copied", "type changed"]
Kind = Literal["file", "symlink", "submodule"]

_STATUS: dict[str, Status] = {
    "A": "added",
    "D": "deleted",
    "M": "modified",
    "R": "renamed",
    "C": "copied",
    "T": "type changed",
}
_KINDS: dict[str, Kind] = {"120000": "symlink", "160000": "submodule"}
MOST_FILES = 20_000
"""Changed files."""
_MOST_FIELDS = 2 * MOST_FILES
"""Their facts and their names; a renamed file has one field more and counts as one and a half."""
MOST_LINES = 1_000_000
"""Lines of the patch."""
_OPTIONS = ("-r", "-M", "--no-ext-diff", "--no-textconv", "--no-color", "--submodule=short", "--full-index")


class Hunk(msgspec.Struct, frozen=True):
    """A run of replaced lines, without context; `base_start` and `head_start` are the first line, counted from 1.

    Where one side has no lines, its start is the line *before* the gap (0 at the top of the file), as git prints it.
    """

    base_start: int
    head_start: int
    removed: tuple[str, ...]
    added: tuple[str, ...]

    @property
    def base_end(self) -> int:
        """The last base line that the hunk stands for, or touches."""
        return self.base_start + max(len(self.removed) - 1, 0)

    @property
    def head_lines(self) -> range:
        return range(self.head_start, self.head_start + len(self.added))


class FileChange(msgspec.Struct, frozen=True, kw_only=True):
    """One changed file; `path` is its name on head, or on base when it was deleted."""

    path: str
    old_path: str
    status: Status
    kind: Kind
    base_blob: str
    head_blob: str
    mode_changed: bool
    binary: bool = False
    hunks: tuple[Hunk, ...] = ()

    @property
    def added_count(self) -> int:
        return sum(len(hunk.added) for hunk in self.hunks)

    @property
    def removed_count(self) -> int:
        return sum(len(hunk.removed) for hunk in self.hunks)

    def hunk_at(self, line: int) -> Hunk | None:
        """The hunk that added head line `line`."""
        index = bisect_right(self.hunks, line, key=lambda hunk: hunk.head_start) - 1
        return self.hunks[index] if index >= 0 and line in self.hunks[index].head_lines else None

    def first_added(self, start: int, end: int) -> int | None:
        """The first added head line between `start` and `end`, both included."""
        for hunk in self._near(start, end):
            if hunk.added and hunk.head_lines[-1] >= start:
                return max(hunk.head_start, start)
        return None

    def touches(self, start: int, end: int) -> bool:
        """Whether lines between `start` and `end` of head were added, or some were removed from among them."""
        return any(
            hunk.head_lines[-1] >= start if hunk.added else start <= hunk.head_start < end
            for hunk in self._near(start, end)
        )

    def _near(self, start: int, end: int) -> tuple[Hunk, ...]:
        """Those that begin between two head lines, and the one before, which may reach into them."""
        first = bisect_left(self.hunks, start, key=lambda hunk: hunk.head_start)
        last = bisect_right(self.hunks, end, key=lambda hunk: hunk.head_start)
        return self.hunks[max(first - 1, 0) : last]

    def removing(self, base_line: int) -> Hunk | None:
        """The hunk that removed base line `base_line`."""
        index = bisect_right(self.hunks, base_line, key=_first_base_line) - 1
        hunk = self.hunks[index] if index >= 0 else None
        return hunk if hunk is not None and hunk.removed and base_line <= hunk.base_end else None

    def head_line(self, base_line: int) -> int | None:
        """Where an unchanged base line stands on head; None when the change replaced it."""
        index = bisect_right(self.hunks, base_line, key=_first_base_line) - 1
        if index < 0:
            return base_line
        if self.removing(base_line) is not None:
            return None
        hunk = self.hunks[index]
        following = hunk.head_start + (len(hunk.added) or 1)
        return base_line + following - (_first_base_line(hunk) + len(hunk.removed))

    def nearest(self, line: int) -> int:
        """The head line of this diff that is nearest to head line `line`."""
        candidates = [line if line in hunk.head_lines else _closest(hunk, line) for hunk in self.hunks]
        return min(candidates, key=lambda candidate: abs(candidate - line), default=max(line, 1))


def _first_base_line(hunk: Hunk) -> int:
    """The first base line that it removed, or that follows the gap."""
    return hunk.base_start if hunk.removed else hunk.base_start + 1


def _closest(hunk: Hunk, line: int) -> int:
    if not hunk.added:
        return max(hunk.head_start, 1)
    return hunk.head_lines[0] if line < hunk.head_start else hunk.head_lines[-1]


def read_diff(repository: Repository, base: str, head: str) -> list[FileChange]:
    """Every file that differs between two trees, in git's order.

    Raises:
        InvalidConfig: too much to review.
        InfraError: git failed, or its listing and its patch disagree.
    """
    span = f"{base[:12]}..{head[:12]}"
    files = at_most(_MOST_FIELDS, b"\0", f"{span} changes more than {MOST_FILES:,} files")
    raw = repository.git("diff-tree", *_OPTIONS, "--raw", "-z", base, head, watch=files)
    lines = at_most(MOST_LINES, b"\n", f"{span} changes more than {MOST_LINES:,} lines")
    patch = repository.git("diff-tree", *_OPTIONS, "--patch", "--unified=0", base, head, watch=lines)
    sections = list(_sections(patch))
    changes: list[FileChange] = []
    position = 0
    for change in _listing(raw):
        used = 2 if change.status == "type changed" else 1  # git prints those as a deletion and an addition
        changes.append(_with_lines(change, sections[position : position + used]))
        position += used
    if position != len(sections):
        raise InfraError(f"git listed {position} patches and printed {len(sections)}")
    return changes


def _listing(raw: bytes) -> Iterator[FileChange]:
    fields = iter(raw.split(b"\0"))
    for header in fields:
        if not header.startswith(b":"):
            continue
        old_mode, new_mode, old, new, letter = header[1:].decode().split(" ")
        old_path = readable(next(fields))
        path = readable(next(fields)) if letter[0] in "RC" else old_path
        mode = old_mode if letter == "D" else new_mode
        yield FileChange(
            path=path,
            old_path=old_path,
            status=_STATUS[letter[0]],
            kind=_KINDS.get(mode, "file"),
            base_blob="" if letter == "A" else old,
            head_blob="" if letter == "D" else new,
            mode_changed=letter not in "AD" and old_mode != new_mode,
        )


def _sections(patch: bytes) -> Iterator[bytes]:
    """The patch of each file; lines of a hunk are marked, so that none looks like a header."""
    start = 0 if patch.startswith(b"diff --git ") else -1
    while start >= 0:
        following = patch.find(b"\ndiff --git ", start)
        yield patch[start : following + 1] if following >= 0 else patch[start:]
        start = following + 1 if following >= 0 else -1


def _with_lines(change: FileChange, sections: list[bytes]) -> FileChange:
    hunks: list[Hunk] = []
    binary = False
    for section in sections:
        begin = section.find(b"\n@@ ")
        if begin >= 0:
            hunks.extend(parse_hunks(section[begin + 1 :]))
        else:
            binary = binary or b"\nBinary files " in section
    return msgspec.structs.replace(change, binary=binary, hunks=tuple(hunks))


def parse_hunks(patch: bytes) -> list[Hunk]:
    """The hunks of one file's patch, from its first `@@` line on."""
    text = "--- a/file\n+++ b/file\n" + patch.decode("utf-8", "surrogateescape")
    parsed = PatchSet(io.StringIO(text, newline="\n"))
    hunks: list[Hunk] = []
    for hunk in parsed[0]:
        removed = tuple(line.value.removesuffix("\n") for line in hunk if line.is_removed)
        added = tuple(line.value.removesuffix("\n") for line in hunk if line.is_added)
        hunks.append(Hunk(hunk.source_start, hunk.target_start, removed, added))
    return hunks
