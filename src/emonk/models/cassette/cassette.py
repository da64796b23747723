"""A folder of recordings: written while models answer, or read in their place."""

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from emonk.errors import InvalidConfig
from emonk.models.answers import Answering
from emonk.models.cassette.canonical import Request, canonical, differences
from emonk.models.cassette.current import NO_KEY
from emonk.models.cassette.recording import Recording, answer_fields, kept, read, write
from emonk.models.cassette.struck import UNREADABLE, strike, written_forms
from emonk.models.fields import as_object, as_text
from emonk.observe.redaction import STRUCK, Redactor

_SECRET_NAMES = re.compile(r"(?i)key|token|secret|passw|credential")
_LEAST_SECRET = 8  # characters; what is shorter is a word that may stand anywhere
_KEYS = re.compile(r"\b(?:AIza[\w-]{30,}|sk-[\w-]{20,}|ya29\.[\w.-]{20,}|gh[opsu]_\w{30,}|xox[abpr]-[\w-]{10,})")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")


class Place(NamedTuple):
    """Where an exchange is written, and what was asked in it."""

    file: Path
    request: Request
    said: Any


class Cassette:
    """Records, or answers from what was recorded.

    Repeated requests are answered in the order in which they were recorded; after the last, the last is the answer.

    Attributes:
        folder: of the recordings, one file each.
        records: it records; else it answers.
    """

    def __init__(self, folder: Path, *, record: bool, secrets: Iterable[str] | None = None) -> None:
        """Open a folder.

        Args:
            folder: made when it is recorded to.
            record: record; else answer.
            secrets: values that no file may hold; those that the environment seems to hold when None.

        Raises:
            InvalidConfig: the folder cannot be made or read, holds nothing to answer from, or a file that is broken.
        """
        self.folder = folder
        self.records = record
        self._redactor = Redactor(written_forms(environment_secrets() if secrets is None else secrets))
        self._learnt: set[str] = set()
        self._counts: dict[str, int] = {}
        self._renewed: set[str] = set()
        self._recorded: dict[str, list[Recording]] = {}
        self._names: dict[str, str] = {}
        if record:
            _make(folder)
        else:
            self._load()

    def learn(self, secret: str) -> None:
        """Know this secret too, of a client that asks here; a short one is a word that may stand anywhere."""
        if len(secret) >= _LEAST_SECRET and secret not in (*self._learnt, NO_KEY):
            self._learnt.add(secret)
            self._redactor.add(written_forms([secret]))

    def redact(self, text: str) -> str:
        """A text without secrets."""
        return _KEYS.sub(STRUCK, self._redactor(text))

    def request(self, provider: str, path: str, body: bytes) -> tuple[Request, Any]:
        """A request in its canonical form, and its body as it is written."""
        try:
            said = strike(msgspec.json.decode(body), self.redact)
            return canonical(provider, self.redact(path), said), said
        except UNREADABLE:
            said = self.redact(body.decode(errors="replace"))
        return canonical(provider, self.redact(path), said), said

    def place(self, provider: str, path: str, body: bytes) -> "Place":
        """Where the answer to a request will be written; counted when it is asked, so that the order is kept."""
        request, said = self.request(provider, path, body)
        digest = request.digest
        count = self._counts[digest] = self._counts.get(digest, 0) + 1
        return Place(self.folder / f"{_title(request)}-{digest}-{count:03}.json", request, said)

    def keep(self, place: "Place", answer: Answering, pieces: Sequence[bytes]) -> None:
        """Write an exchange, of whose answer these pieces were read.

        Raises:
            InvalidConfig: the folder cannot be written to.
        """
        recording = Recording(
            provider=place.request.provider,
            path=place.request.path,
            request=place.said,
            status=answer.status,
            headers={name: self.redact(value) for name, value in kept(answer.headers).items()},
            **answer_fields(pieces, self.redact),
        )
        write(place.file, recording)
        digest = place.request.digest
        if (
            digest not in self._renewed
        ):  # all older recordings of this request are replaced, now that there is a new one
            self._renewed.add(digest)
            for old in self.folder.glob(f"*-{digest}-*.json"):
                if old != place.file:
                    old.unlink(missing_ok=True)

    def answer(self, provider: str, path: str, body: bytes) -> Recording:
        """What was answered to a request.

        Raises:
            InvalidConfig: `not_recorded`: nothing like it was recorded; names what is nearest, and what differs.
        """
        request, _ = self.request(provider, path, body)
        digest = request.digest
        found = self._recorded.get(digest)
        if not found:
            raise self._unknown(request)
        count = self._counts[digest] = self._counts.get(digest, 0) + 1
        return found[min(count, len(found)) - 1]

    def _load(self) -> None:
        try:
            paths = sorted(path for path in self.folder.iterdir() if path.suffix == ".json" and path.is_file())
        except OSError as error:
            raise InvalidConfig(f"cannot read the cassette {self.folder}: {error.strerror}", hint=_HOW) from None
        if not paths:
            raise InvalidConfig(f"nothing is recorded in {self.folder}", hint=_HOW)
        for path in paths:
            recording = read(path)
            try:
                digest = canonical(recording.provider, recording.path, recording.request).digest
            except RecursionError:
                raise InvalidConfig(f"{path} is no recording: it is nested too deep", hint=_ANEW) from None
            self._recorded.setdefault(digest, []).append(recording)
            self._names.setdefault(digest, path.name)

    def _unknown(self, request: Request) -> InvalidConfig:
        known = (
            (digest, canonical(one.provider, one.path, one.request)) for digest, (one, *_) in self._recorded.items()
        )
        apart = [(list(differences(request, other)), self._names[digest]) for digest, other in known]
        found, name = min(
            apart, key=lambda each: (any(one.startswith("path ") for one in each[0]), len(each[0]), each[1])
        )
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        differs = found[0] if found else "nothing"
        return InvalidConfig(
            f"{self.folder} has no recording of this request; the nearest is {name}, where {differs}{more}",
            hint="record it with --record",
            code="not_recorded",
        )


_ANEW = "remove it, or record it anew"
_HOW = "record it first, with --cassette DIR --record"


def environment_secrets() -> list[str]:
    """The values of variables whose names speak of keys, tokens, secrets and passwords."""
    named = (value.strip() for name, value in os.environ.items() if _SECRET_NAMES.search(name))
    return [value for value in named if len(value) >= _LEAST_SECRET]


def _title(request: Request) -> str:
    """The model, for who looks into the folder."""
    model = as_text(as_object(request.body).get("model")) or request.path.rpartition("/")[2].partition(":")[0]
    return _NOT_IN_NAMES.sub("-", model).strip(".-")[:60] or "request"


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidConfig(f"cannot record to {folder}: {error.strerror}", hint="give another folder") from None
