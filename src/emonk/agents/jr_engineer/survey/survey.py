"""Counts the files and lines of a code base."""

from collections import defaultdict
from pathlib import Path

import msgspec

from emonk.agents.jr_engineer.survey.entry_points import entry_points
from emonk.agents.jr_engineer.survey.languages import language_of
from emonk.agents.jr_engineer.survey.listing import Listing, list_files
from emonk.errors import InvalidConfig

_CHUNK = 256 * 1024
_LARGEST_SHOWN = 10


class FileFacts(msgspec.Struct, frozen=True):
    """One text file."""

    path: str
    language: str
    lines: int


class LanguageFacts(msgspec.Struct, frozen=True):
    """All files of one language."""

    language: str
    files: int
    lines: int


class Survey(msgspec.Struct, frozen=True, kw_only=True):
    """What was counted.

    Attributes:
        largest: by lines.
        unreadable: files that could not be opened.
        tracked: whether git said which files belong to it.
        cut: whether there are more files than were counted.
    """

    directory: str
    files: int
    lines: int
    binary: int
    unreadable: int
    languages: list[LanguageFacts]
    largest: list[FileFacts]
    entry_points: list[str]
    tracked: bool
    cut: bool


def survey(directory: Path) -> Survey:
    """Count what is there; blocking, for a thread.

    Raises:
        InvalidConfig: it is no directory.
    """
    directory = directory.expanduser()
    if not directory.is_dir():
        raise InvalidConfig(f"{directory} is not a directory", hint="name one that holds code")
    root = directory.resolve()
    listing = list_files(root)
    counted = [_count(root, path) for path in listing.paths]
    texts = [facts for facts in counted if isinstance(facts, FileFacts)]
    return _summed(root, listing, texts, binary=counted.count("binary"), unreadable=counted.count("unreadable"))


def _summed(root: Path, listing: Listing, texts: list[FileFacts], *, binary: int, unreadable: int) -> Survey:
    by_language: dict[str, list[int]] = defaultdict(list)
    for facts in texts:
        by_language[facts.language].append(facts.lines)
    languages = [LanguageFacts(name, len(lines), sum(lines)) for name, lines in by_language.items()]
    return Survey(
        directory=str(root),
        files=len(listing.paths),
        lines=sum(facts.lines for facts in texts),
        binary=binary,
        unreadable=unreadable,
        languages=sorted(languages, key=lambda facts: (-facts.lines, facts.language)),
        largest=sorted(texts, key=lambda facts: (-facts.lines, facts.path))[:_LARGEST_SHOWN],
        entry_points=entry_points(root, listing.paths),
        tracked=listing.tracked,
        cut=listing.cut,
    )


def _count(root: Path, path: str) -> FileFacts | str:
    try:
        with (root / path).open("rb") as file:
            start = file.read(_CHUNK)
            if b"\0" in start:
                return "binary"
            lines, last, chunk = 0, b"\n", start
            while chunk:
                lines += chunk.count(b"\n")
                last = chunk[-1:]
                chunk = file.read(_CHUNK)
    except OSError:
        return "unreadable"
    return FileFacts(path, language_of(path, start), lines + (last != b"\n"))
