"""What every part of a holder's view of a `SqliteFile` stands on."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from emonk.errors import Unavailable
from emonk.store.sqlite.database import SqliteFile
from emonk.store.sqlite.writer import Work

T = TypeVar("T")
Closing = Callable[[], bool]


class Holder:
    """Somebody who uses the file until it closes; `closing` says whether it was the last one."""

    def __init__(self, file: SqliteFile, closing: Closing) -> None:
        self._file = file
        self._clock = file.clock
        self._closing = closing
        self._closed = False

    async def check(self) -> None:
        """See `SqliteFile.check`."""
        self._open()
        await self._file.check()

    async def aclose(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._closing():
            await self._file.aclose()

    def _write(self, work: Work[T]) -> asyncio.Future[T]:
        self._open()
        return self._file.write(work)

    def _read(self, work: Work[T]) -> asyncio.Future[T]:
        self._open()
        return self._file.read(work)

    def _open(self) -> None:
        if self._closed:
            raise Unavailable("The store is closed", code="store_closed")
