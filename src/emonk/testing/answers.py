"""What any stand-in for a model provider can be told to answer, and what it tells of a request."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

Json = dict[str, Any]


class SeenRequest(msgspec.Struct, frozen=True):
    """A request as a stand-in got it."""

    path: str
    headers: Mapping[str, str]
    body: Json
    model: str = ""
    streaming: bool = False


class Raw(msgspec.Struct, frozen=True):
    """Exactly these bytes."""

    body: bytes
    status: int = 200
    content_type: str = "application/json"
    headers: Mapping[str, str] = {}


class Chunks(msgspec.Struct, frozen=True):
    """An event stream written in these pieces; `drop` closes the connection before the stream's proper end."""

    pieces: Sequence[bytes]
    drop: bool = False


class Drop(msgspec.Struct, frozen=True):
    """The connection is closed: before any byte of an answer, or, with `sent`, after these bytes of it."""

    sent: bytes = b""


Plain = Json | Raw | Chunks | Drop
Answer = Plain | Callable[[SeenRequest], Plain | Awaitable[Plain]]
"""A body of the provider's API, another kind of answer, or a function of the request that gives one."""


def in_pieces(events: Iterable[bytes], *, size: int | None = None, drop: bool = False) -> Chunks:
    """Events of a stream, one piece each, or in pieces of `size` bytes."""
    if size is None:
        return Chunks(list(events), drop)
    whole = b"".join(events)
    return Chunks([whole[at : at + size] for at in range(0, len(whole), size)], drop)
