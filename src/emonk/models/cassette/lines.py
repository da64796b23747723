"""Connections that record what goes over them, and what stands in for connections when answers are recorded."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Self

from emonk.models.answers import Answering, Connecting, Content
from emonk.models.cassette.cassette import Cassette, Place
from emonk.models.cassette.recording import Recording


class RecordingLines:
    """Connections whose exchanges are written down when they are over; one that broke off is not."""

    def __init__(self, lines: Connecting, cassette: Cassette, provider: str, base: str) -> None:
        """Record what goes over `lines`; `base` is the path of the base address."""
        self._lines = lines
        self._cassette = cassette
        self._provider = provider
        self._base = base
        self.faults = lines.faults

    @property
    def closed(self) -> bool:
        return self._lines.closed

    async def aclose(self) -> None:
        await self._lines.aclose()

    def post(self, path: str, body: bytes, token: str = "") -> AbstractAsyncContextManager[Answering]:
        """As the connections do it."""
        return self._recorded(self._lines.post(path, body, token), path, body, token)

    def open(self, path: str, body: bytes, token: str = "") -> AbstractAsyncContextManager[Answering]:
        """As the connections do it."""
        return self._recorded(self._lines.open(path, body, token), path, body, token)

    def _recorded(
        self, inner: AbstractAsyncContextManager[Answering], path: str, body: bytes, token: str
    ) -> "_Recorded":
        self._cassette.learn(token)
        return _Recorded(inner, self._cassette, self._cassette.place(self._provider, self._base + path, body))


class _Recorded:
    def __init__(self, inner: AbstractAsyncContextManager[Answering], cassette: Cassette, place: Place) -> None:
        self._inner = inner
        self._cassette = cassette
        self._place = place
        self._pieces: list[bytes] = []

    async def __aenter__(self) -> Self:
        answer = await self._inner.__aenter__()
        self.status: int = answer.status
        self.headers: Mapping[str, str] = answer.headers
        self.content: Content = _Heard(answer.content, self._pieces)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._inner.__aexit__(kind, error, trace)
        if kind is None:
            self._cassette.keep(self._place, self, self._pieces)


class _Heard:
    """A body that is written down while it is read."""

    def __init__(self, content: Content, pieces: list[bytes]) -> None:
        self._content = content
        self._pieces = pieces

    async def iter_any(self) -> AsyncGenerator[bytes]:
        """Its pieces as they arrive."""
        async for piece in self._content.iter_any():
            self._pieces.append(piece)
            yield piece

    def is_eof(self) -> bool:
        return self._content.is_eof()

    def read_nowait(self) -> bytes:
        piece = self._content.read_nowait()
        self._pieces.append(piece)
        return piece


class ReplayingLines:
    """Answers from a cassette; there is no connection."""

    faults: tuple[type[Exception], ...] = ()
    closed = False

    def __init__(self, cassette: Cassette, provider: str, base: str) -> None:
        """Answer from `cassette`; `base` is the path of the base address."""
        self._cassette = cassette
        self._provider = provider
        self._base = base

    async def aclose(self) -> None:
        """There is nothing to close."""

    def post(self, path: str, body: bytes, token: str = "") -> AbstractAsyncContextManager[Answering]:  # noqa: ARG002
        """What was answered.

        Raises:
            InvalidConfig: nothing was, to this request.
        """
        return _Played(self._cassette.answer(self._provider, self._base + path, body))

    def open(self, path: str, body: bytes, token: str = "") -> AbstractAsyncContextManager[Answering]:
        """As `post`."""
        return self.post(path, body, token)


class _Played:
    """A recorded answer."""

    def __init__(self, recording: Recording) -> None:
        self.status = recording.status
        self.headers: Mapping[str, str] = {name.title(): value for name, value in recording.headers.items()}
        self.content: Content = _Pieces(recording.pieces())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...


class _Pieces:
    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._pieces = pieces

    async def iter_any(self) -> AsyncIterator[bytes]:
        """The pieces as they once arrived."""
        for piece in self._pieces:
            yield piece

    def is_eof(self) -> bool:
        return True

    def read_nowait(self) -> bytes:
        return b"".join(self._pieces)
