"""The answer to a POST as it comes over a connection, and how much of it is read."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from emonk.errors import InfraError, Unavailable

ANSWER_LIMIT = 64 << 20
"""Bytes of an answer, unpacked, whole or in a stream: several times what the largest models write, pictures too."""

_PAGE = re.compile(rb"(?i)^(?:\xef\xbb\xbf)?\s*(?:<!doctype|<html|<\?xml|<head|<title|<body)")
_NO_API = "a web page answered instead of the API: check the base URL and proxies"


class Content(Protocol):
    """A body."""

    def iter_any(self) -> AsyncIterator[bytes]:
        """Its pieces as they arrive."""
        ...

    def is_eof(self) -> bool:
        """All of it is here."""
        ...

    def read_nowait(self) -> bytes:
        """What is here and was not read."""
        ...


class Answering(Protocol):
    """An answer whose head is there."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def content(self) -> Content: ...


class Connecting(Protocol):
    """Connections to one provider; see `emonk.models.exchange.Lines`."""

    @property
    def faults(self) -> tuple[type[Exception], ...]:
        """What goes wrong with a connection is one of these."""
        ...

    @property
    def closed(self) -> bool: ...

    def post(self, path: str, body: bytes, token: str = "") -> AbstractAsyncContextManager[Answering]:
        """Send a request, and have the beginning of its answer."""
        ...

    def open(self, path: str, body: bytes, token: str = "") -> AbstractAsyncContextManager[Answering]:
        """As `post`, for an answer that comes in pieces."""
        ...

    async def aclose(self) -> None: ...


async def read_whole(answer: Answering, host: str) -> bytes:
    """The body of an answer that should be JSON.

    Raises:
        Unavailable: `too_large`: there is more than `ANSWER_LIMIT`; `malformed_body`: nothing, or a page for people.
    """
    content = answer.content
    # A short one nearly always is there with its head.
    body = content.read_nowait() if content.is_eof() else await _read_on(content, host)
    if not body:
        raise Unavailable(f"{host} sent an empty answer ({answer.status})", code="malformed_body")
    if body[:1] not in b"{[" and is_page(body):
        raise Unavailable(f"{host} sent a web page ({answer.status})", hint=_NO_API, code="malformed_body")
    return body


async def _read_on(content: Content, host: str) -> bytes:
    size = 0
    pieces: list[bytes] = []
    async for piece in content.iter_any():
        size += len(piece)
        if size > ANSWER_LIMIT:
            raise too_large(host)
        pieces.append(piece)
    return b"".join(pieces)


def too_large(host: str) -> InfraError:
    """An answer that is given up; asking again would bring the same."""
    limit = f"{ANSWER_LIMIT >> 20} MiB"
    return Unavailable(f"{host} sent more than {limit}: the answer is given up", code="too_large", final=True)


def is_page(body: bytes | bytearray) -> bool:
    """Whether a body is for people."""
    return _PAGE.match(body[:200]) is not None


def page_hint(status: int, body: bytes | bytearray) -> str:
    """What to do about a page in place of a refusal; empty when it is none, or one of a failing proxy."""
    return _NO_API if is_page(body) and status not in {408, 429} and status < 500 else ""
