"""One exchange with a provider as a file: what was asked, and what was answered, without secrets."""

import base64
import codecs
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from emonk.errors import InvalidConfig
from emonk.models.cassette.struck import UNREADABLE, Redact, strike, strike_stream
from emonk.models.fields import as_bytes

KEPT_HEADERS = ("content-type", "retry-after", "retry-after-ms")
KEPT_PREFIXES = ("x-ratelimit-", "anthropic-ratelimit-")
"""Headers of answers that mean something to emonk; those of requests are never kept."""


class Recording(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An exchange.

    Attributes:
        version: of the form of this file.
        provider: whose wire format it has.
        path: of the address, without keys.
        request: the body that was sent: JSON, or text where it is none.
        status: of the answer.
        headers: of the answer, those that mean something.
        body: the answer as JSON, where it is that.
        text: the answer as it came, in pieces, where it is no JSON: an event stream, or a page.
        encoded: the same in base64, where it is no text.
    """

    version: int = 1
    provider: str
    path: str
    request: Any
    status: int
    headers: dict[str, str] = {}
    body: Any = msgspec.UNSET
    text: list[str] | None = None
    encoded: list[str] | None = None

    def pieces(self) -> list[bytes]:
        """The answer's body as it came."""
        if self.body is not msgspec.UNSET:
            return [msgspec.json.encode(self.body)]
        if self.text is not None:
            return [piece.encode() for piece in self.text]
        return [as_bytes(piece) or b"" for piece in self.encoded or ()]


def kept(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of an answer that are recorded."""
    found = {name.lower(): value for name, value in headers.items()}
    return {name: found[name] for name in sorted(found) if name in KEPT_HEADERS or name.startswith(KEPT_PREFIXES)}


def answer_fields(pieces: Sequence[bytes], redact: Redact) -> dict[str, Any]:
    """An answer as it is written: JSON if it is that, else text in the pieces as they came, else base64."""
    whole = b"".join(pieces)
    try:
        return {"body": strike(msgspec.json.decode(whole), redact)}
    except UNREADABLE:
        pass
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        # A character that two pieces share belongs to the second.
        text = [decoder.decode(piece) for piece in pieces]
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        plain = redact(whole.decode("latin-1")).encode("latin-1")
        return {"encoded": [base64.b64encode(piece).decode() for piece in (pieces if plain == whole else [plain])]}
    struck = strike_stream("".join(text), redact)
    return {"text": text if struck == "".join(text) else [struck]}


def write(path: Path, recording: Recording) -> None:
    """Write a file at once, so that nobody reads half of one.

    Raises:
        InvalidConfig: the folder cannot be written to.
    """
    made = msgspec.json.format(msgspec.json.encode(recording), indent=2)
    half = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        half.write_bytes(made + b"\n")
        half.replace(path)
    except OSError as error:
        raise InvalidConfig(f"cannot record to {path}: {error.strerror}", hint="give another folder") from None


def read(path: Path) -> Recording:
    """Read a file.

    Raises:
        InvalidConfig: it is none of a cassette; names it.
    """
    try:
        recording = msgspec.json.decode(path.read_bytes(), type=Recording)
        if recording.version != 1:
            raise InvalidConfig(f"{path} has version {recording.version}", hint="record it anew with this emonk")
        encoded = recording.encoded or ()
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise InvalidConfig(f"{path} is no recording: {error}", hint="remove it, or record it anew") from None
    except OSError as error:
        raise InvalidConfig(f"cannot read {path}: {error.strerror}") from None
    said = (recording.body is not msgspec.UNSET, recording.text is not None, recording.encoded is not None)
    if sum(said) != 1 or any(as_bytes(piece) is None for piece in encoded) or not 100 <= recording.status < 600:
        raise InvalidConfig(f"{path} is no recording: its answer is not whole", hint="remove it, or record it anew")
    return recording
