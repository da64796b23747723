"""One SQLite file as this process uses it."""

import asyncio
import sqlite3
from pathlib import Path
from typing import TypeVar

from emonk.clock import Clock
from emonk.errors import EmonkError, InfraError, Unavailable
from emonk.store.sqlite.file import BUSY_SECONDS, explain, identity, open_reader, open_writer, write_something
from emonk.store.sqlite.writer import TransactionThread, Work

T = TypeVar("T")


class SqliteFile:
    """One file, its writing thread and its reading thread, shared by all who hold it in this process."""

    def __init__(self, path: Path, clock: Clock, *, busy_seconds: float = BUSY_SECONDS) -> None:
        self.path = path
        self.clock = clock
        self._done: set[Work[None]] = set()
        self._identity: tuple[int, int] | None = None
        self._write_failed = False
        self._writer = TransactionThread(
            lambda: self._open_writer(busy_seconds),
            self._explain_write,
            begin="BEGIN IMMEDIATE",
            name="emonk-writer",
            lost=self._removed,
        )
        self._reader = TransactionThread(
            lambda: open_reader(path, busy_seconds=busy_seconds), self._explain, begin="BEGIN", name="emonk-reader"
        )

    def write(self, work: Work[T]) -> asyncio.Future[T]:
        """Run a job that is answered once it is durable."""
        return self._writer.submit(work)

    def read(self, work: Work[T]) -> asyncio.Future[T]:
        """Run a job that only reads; it sees every write that was answered before."""
        return self._reader.submit(work)

    async def once(self, work: Work[None]) -> None:
        """Run a job that only helps, unless it has run; where it cannot, it is tried again the next time."""
        if work not in self._done:
            try:
                await self.write(work)
            except InfraError:
                return
            self._done.add(work)

    async def ready(self) -> None:
        """Wait until the file is open and its schema current."""
        await self._writer.submit(_nothing)

    async def check(self) -> None:
        """See that it is still there, and try to write if a write has failed.

        Raises:
            Unavailable: it was removed or replaced, or cannot be written at the moment.
            InvalidConfig: it can no longer be used.
        """
        if (removed := self._removed()) is not None:
            raise removed
        if self._write_failed:
            self._write_failed = False
            await self.write(write_something)

    def abandon(self) -> None:
        """Refuse whatever comes, in a child of `fork`: the threads are in its parent."""
        self._reader.abandon()
        self._writer.abandon()

    async def aclose(self) -> None:
        """Finish what was handed over, then close."""
        await self._reader.aclose()
        await self._writer.aclose()

    def _open_writer(self, busy_seconds: float) -> sqlite3.Connection:
        if self._identity is not None and (removed := self._removed()) is not None:
            raise removed  # else a new file would be made in its place
        connection = open_writer(self.path, busy_seconds=busy_seconds)
        self._identity = self._identity or identity(self.path)
        return connection

    def _removed(self) -> EmonkError | None:
        """SQLite goes on with a file that was removed, and all of it is lost at the end."""
        if identity(self.path) == self._identity:
            return None
        return Unavailable(
            f"{self.path} was removed or replaced while it was in use",
            hint="what is written now is lost: restart emonk",
            code="store_removed",
        )

    def _explain(self, error: sqlite3.Error) -> EmonkError:
        return explain(error, self.path)

    def _explain_write(self, error: sqlite3.Error) -> EmonkError:
        self._write_failed = True
        return explain(error, self.path)


def _nothing(_connection: sqlite3.Connection) -> None:
    """A job that only shows that the file is open."""
