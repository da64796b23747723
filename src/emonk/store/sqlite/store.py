"""The store on one SQLite file: what a machine needs that has nothing else."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from emonk.clock import Clock, timestamp
from emonk.errors import EmonkError, InvalidConfig, Unavailable
from emonk.events import InboxItem, Logged, encode
from emonk.records import Lease, Owner, Reply, Session, SessionKey
from emonk.store.change import change, decoded
from emonk.store.grant import Granted
from emonk.store.protocol import Accepted, Claimed, Operation
from emonk.store.sqlite import inbox, listing, log
from emonk.store.sqlite.file import BUSY_SECONDS, explain, identity, open_reader, open_writer, write_something
from emonk.store.sqlite.writer import TransactionThread, Work

T = TypeVar("T")
Closing = Callable[[], bool]


class SqliteFile:
    """One file, its writing thread and its reading thread, shared by all who hold it in this process."""

    def __init__(self, path: Path, clock: Clock, *, busy_seconds: float = BUSY_SECONDS) -> None:
        self.path = path
        self.clock = clock
        self._identity: tuple[int, int] | None = None
        self._write_failed = False
        self._writer = TransactionThread(
            lambda: self._open_writer(busy_seconds), self._explain_write, begin="BEGIN IMMEDIATE", name="emonk-writer"
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

    async def ready(self) -> None:
        """Wait until the file is open and its schema current."""
        await self._writer.submit(_nothing)

    async def check(self) -> None:
        """See that it is still there, and try to write if a write has failed.

        Raises:
            Unavailable: it was removed or replaced, or cannot be written at the moment.
            InvalidConfig: it can no longer be used.
        """
        self._still_there()
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
        connection = open_writer(self.path, busy_seconds=busy_seconds)
        self._identity = self._identity or identity(self.path)
        return connection

    def _still_there(self) -> None:
        """SQLite goes on with a file that was removed, and all of it is lost at the end."""
        if identity(self.path) != self._identity:
            raise Unavailable(
                f"{self.path} was removed or replaced while it was in use",
                hint="what is written now is lost: restart emonk",
                code="store_removed",
            )

    def _explain(self, error: sqlite3.Error) -> EmonkError:
        return explain(error, self.path)

    def _explain_write(self, error: sqlite3.Error) -> EmonkError:
        self._write_failed = True
        return explain(error, self.path)


class SqliteStore:
    """A holder's view of a `SqliteFile`; `closing` says whether it was the last holder."""

    def __init__(self, file: SqliteFile, closing: Closing) -> None:
        self._file = file
        self._clock = file.clock
        self._closing = closing
        self._closed = False

    async def accept(self, item: InboxItem, *, owner: Owner | None = None) -> Accepted:
        data, clock = encode(item.event), self._clock
        granted: list[Lease] = []

        def work(connection: sqlite3.Connection) -> tuple[Accepted, Granted | None]:
            accepted, grant = inbox.accept(connection, item, data, owner, timestamp(clock))
            granted[:] = [grant.lease] if grant else []
            return accepted, grant

        accepted, grant = await self._claiming(work, granted)
        return accepted if grant is None else Accepted(accepted.state, claimed=self._claimed(grant))

    async def claim(self, session: SessionKey, owner: Owner) -> Claimed | None:
        clock = self._clock
        granted: list[Lease] = []

        def work(connection: sqlite3.Connection) -> Granted | None:
            grant = inbox.claim(connection, session, owner, timestamp(clock))
            granted[:] = [grant.lease] if grant else []
            return grant

        grant = await self._claiming(work, granted)
        return None if grant is None else self._claimed(grant)

    def commit(self, operations: Sequence[Operation], *, fence: Lease, expected_revision: int) -> asyncio.Future[int]:
        made, clock = change(operations, expected_revision), self._clock
        return self._write(lambda connection: log.commit(connection, made, fence, expected_revision, timestamp(clock)))

    async def renew(self, lease: Lease) -> Lease:
        clock = self._clock
        return await self._write(lambda connection: log.renew(connection, lease, timestamp(clock)))

    async def reply(self, session: SessionKey, message_id: str) -> Reply | None:
        return await self._read(lambda connection: inbox.reply(connection, session, message_id))

    async def due(self, agent: str, *, limit: int = 100) -> list[SessionKey]:
        clock = self._clock
        return await self._read(lambda connection: inbox.due(connection, agent, limit, timestamp(clock)))

    async def read(self, session: SessionKey, *, after: int = 0, limit: int | None = None) -> list[Logged]:
        def work(connection: sqlite3.Connection) -> list[Logged]:
            row = log.find(connection, session)
            return [] if row is None else decoded(session, log.read(connection, row, after, limit))

        return await self._read(work)

    async def session(self, session: SessionKey) -> Session | None:
        return await self._read(lambda connection: listing.session(connection, session))

    async def sessions(
        self,
        *,
        agent: str | None = None,
        user_id: str | None = None,
        session_id: str | None = None,
        limit: int = 50,
        before: int | None = None,
    ) -> list[Session]:
        wanted = listing.Wanted(agent, user_id, session_id)
        return await self._read(lambda connection: listing.sessions(connection, wanted, limit, before))

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

    async def _claiming(self, work: Work[T], granted: list[Lease]) -> T:
        """A caller that was cancelled meanwhile cannot use its lease, so it is given back at once."""
        answer = self._write(work)
        try:
            return await answer
        except asyncio.CancelledError:
            self._give_back(granted)
            raise

    def _claimed(self, grant: Granted) -> Claimed:
        """Who cannot read the log cannot use the lease either."""
        try:
            return grant.claimed()
        except InvalidConfig:
            self._give_back([grant.lease])
            raise

    def _give_back(self, granted: list[Lease]) -> None:
        """Runs after the claiming job, since jobs run in order; only then is it known what was granted."""

        def work(connection: sqlite3.Connection) -> None:
            for lease in granted:
                log.release(connection, lease)

        try:
            self._write(work).add_done_callback(_ignore_error)
        except Unavailable:  # closed meanwhile: the lease expires by itself
            return


def _nothing(_connection: sqlite3.Connection) -> None:
    """A job that only shows that the file is open."""


def _ignore_error(answer: asyncio.Future[None]) -> None:
    """Nobody waits for it: a lease that could not be given back expires by itself."""
    if not answer.cancelled():
        answer.exception()
