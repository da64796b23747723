"""Prompts with what became of them: the rows that a classifier is trained on and judged by."""

from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from emonk.errors import InvalidConfig

LONGEST_LINE = 32_000_000
"""Bytes of a line that is read; longer ones are broken."""


class Outcome(msgspec.Struct, frozen=True, omit_defaults=True):
    """A prompt, whether the worker's answer held, and whether the lead's did or would have, where that is known."""

    prompt: str
    worker_correct: bool
    lead_correct: bool | None = None

    @property
    def needs_lead(self) -> bool:
        """The worker failed, and the lead would not have: where nothing is known of the lead, it is trusted."""
        return not self.worker_correct and self.lead_correct is not False


class BrokenLine(msgspec.Struct, frozen=True):
    """A line that holds no outcome; `number` counts from 1."""

    number: int
    reason: str


class Outcomes(msgspec.Struct, frozen=True):
    """What a file holds."""

    rows: tuple[Outcome, ...]
    broken: tuple[BrokenLine, ...] = ()

    def pairs(self) -> list[tuple[str, bool]]:
        """What `Classifier.train` takes."""
        return [(row.prompt, row.needs_lead) for row in self.rows]


def read_outcomes(path: Path, *, skip_broken: bool = False) -> Outcomes:
    """The outcomes in a file of JSON lines; blank lines and fields that are not known do not count.

    Raises:
        InvalidConfig: the file cannot be read, has no rows, or has broken lines and they are not to be skipped.
    """
    try:
        if path.exists() and not path.is_file():  # a device or a pipe may never end
            raise InvalidConfig(f"{path} is no file", hint="write the rows to a file first")
        with path.open("rb") as file:
            found = parse_outcomes(_lines(file))
    except OSError as error:
        raise InvalidConfig(f"{path} cannot be read: {error.strerror}") from error
    if found.broken and not skip_broken:
        first = found.broken[0]
        whole = len(found.rows) + len(found.broken)
        said = f"{path}, line {first.number}: {first.reason}; {len(found.broken)} of {whole} lines are broken"
        raise InvalidConfig(said, hint="--skip-broken leaves them out")
    if not found.rows:
        raise InvalidConfig(f"{path} has no rows", hint='a row is {"prompt": "...", "worker_correct": true}')
    return found


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Lines; of one that is too long no more than tells so."""
    while line := file.readline(LONGEST_LINE + 1):
        rest = line
        while len(rest) > LONGEST_LINE and not rest.endswith(b"\n"):
            rest = file.readline(LONGEST_LINE + 1)
        yield line


def parse_outcomes(lines: Iterable[bytes]) -> Outcomes:
    """The outcomes in lines, and which lines hold none."""
    rows: list[Outcome] = []
    broken: list[BrokenLine] = []
    for number, given in enumerate(lines, start=1):
        line = given.removeprefix(BOM_UTF8) if number == 1 else given
        try:
            if line.strip():
                rows.append(_outcome(line))
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            broken.append(BrokenLine(number, str(error)))
    return Outcomes(tuple(rows), tuple(broken))


def encode_outcomes(rows: Sequence[Outcome]) -> bytes:
    """As `read_outcomes` reads them."""
    return b"".join(msgspec.json.encode(row) + b"\n" for row in rows)


_decoder = msgspec.json.Decoder(Outcome)


def _outcome(line: bytes) -> Outcome:
    if len(line) > LONGEST_LINE:
        raise ValueError(f"it has more than {LONGEST_LINE:,} bytes")
    found = _decoder.decode(line)
    if not found.prompt.strip():
        raise ValueError("the prompt is empty")
    return found
