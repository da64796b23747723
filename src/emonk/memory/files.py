"""The files of an agent: its prompt, its brand voice, what it knows, its reports; wherever they lie."""

import re
from typing import Protocol

import msgspec

from emonk.errors import Conflict, InvalidArguments
from emonk.store.record_protocol import RECORD_BYTES

FILE_BYTES = RECORD_BYTES
"""The same for every backend, so that an agent's files can move from one to another."""

PATH_BYTES = 1024
"""Of UTF-8, as Cloud Storage has it: https://cloud.google.com/storage/docs/objects#naming."""

NOT_INSTALLED = "not_installed"
"""The code of the error of a backend whose library is missing."""

NAME_BYTES = 255
"""Of one part of a path: what file systems take."""

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class File(msgspec.Struct, frozen=True):
    """A file as it was at one moment; `generation` says which one it was, and means nothing else."""

    path: str
    data: bytes
    generation: str


class MemoryFiles(Protocol):
    """Files under paths such as `knowledge/prices.md`.

    A path that leaves its place (`..`, `/etc/passwd`), is hidden (`.env`) or is no text is `InvalidArguments`. Every
    method raises `InfraError` when the place cannot be reached, and `ConfigError` when a person must mend it.
    """

    async def read(self, path: str) -> File | None:
        """The whole file, or None.

        Raises:
            InvalidArguments: it is longer than `FILE_BYTES`.
        """
        ...

    async def write(self, path: str, data: bytes, *, expected_generation: str | None) -> File:
        """Put `data` in place of what was there at `expected_generation`; None where there must be no such file.

        Readers see the old file or the new one, never a part.

        Raises:
            Conflict: somebody else changed, made or removed it; nothing was written.
            InvalidArguments: the data is longer than `FILE_BYTES`.
        """
        ...

    async def list(self, prefix: str = "") -> tuple[str, ...]:
        """The paths that begin with `prefix`, in the order of their code points."""
        ...

    async def delete(self, path: str, *, expected_generation: str) -> None:
        """Remove what was there at `expected_generation`.

        Raises:
            Conflict: it is another by now, or is not there.
        """
        ...

    async def aclose(self) -> None:
        """Let go of what is open."""
        ...


def check_path(path: str) -> str:
    """The path, if it can name a file.

    Raises:
        InvalidArguments: it cannot, whatever the backend.
    """
    check_prefix(path)
    parts = path.split("/")
    if "" in parts:
        raise _refused(path, "is empty" if not path else "is absolute, or has an empty part")
    if "\\" in path:
        raise _refused(path, "holds a backslash")
    hidden = next((part for part in parts if part.startswith(".")), None)
    if hidden is not None:
        raise _refused(path, "leaves the agent's files" if hidden == ".." else f"has the hidden part {hidden!r}")
    if any(len(part.encode()) > NAME_BYTES for part in parts):
        raise _refused(path, f"has a part longer than {NAME_BYTES} bytes")
    return path


def check_prefix(prefix: str) -> str:
    """The prefix, if paths can begin with it.

    Raises:
        InvalidArguments: it is no text, holds control characters, or is too long.
    """
    try:
        size = len(prefix.encode())
    except UnicodeEncodeError as error:
        raise _refused(prefix, "holds half a character") from error
    if _CONTROL.search(prefix):
        raise _refused(prefix, "holds a control character")
    if size > PATH_BYTES:
        raise _refused(prefix, f"is longer than {PATH_BYTES} bytes")
    return prefix


def check_size(path: str, size: int) -> None:
    """Refuse what not every backend can keep.

    Raises:
        InvalidArguments: `size` bytes are too many.
    """
    if size > FILE_BYTES:
        raise InvalidArguments(f"{path} is longer than {FILE_BYTES} bytes", hint="split it into several files")


def conflict(path: str) -> Conflict:
    """The error for a file that is not what the writer took it for."""
    return Conflict(f"{path} was changed meanwhile", hint="read it again, and write what you want it to be now")


def _refused(path: str, why: str) -> InvalidArguments:
    shown = path if len(path) <= 80 else f"{path[:80]}..."
    return InvalidArguments(f"the path {shown!r} {why}", hint="write a path such as knowledge/prices.md")
