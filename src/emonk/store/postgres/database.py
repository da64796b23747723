"""A PostgreSQL database as this process uses it: in order within a session, and across lost connections."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from emonk.clock import SYSTEM_CLOCK, Clock, timestamp
from emonk.errors import EmonkError, InvalidConfig, Unavailable
from emonk.records import SessionKey
from emonk.store.lanes import Lanes
from emonk.store.postgres.address import Address
from emonk.store.postgres.connection import Connection, Connections, Opening, open_connection
from emonk.store.postgres.errors import explain, is_crowded, is_lost, was_undone
from emonk.store.postgres.schema import migrate
from emonk.store.refusals import no_text

T = TypeVar("T")
Work = Callable[[Connection, bool], Awaitable[T]]
"""One transaction; told whether it may have been carried out before."""

PATIENCE = 10.0
"""Seconds in which a database that was lost may come back: a restart, or a standby that takes over."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.5
_UNDONE_LIMIT = 10
_CHECK = "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on'"


class PostgresDatabase:
    """One database and its connections, shared by all who hold it in one event loop.

    Time is the database's own, unless a clock other than the system's is given, which then stands for it.
    """

    def __init__(
        self, address: Address, clock: Clock, *, patience: float = PATIENCE, opening: Opening | None = None
    ) -> None:
        self.clock = clock
        self._address = address
        self._patience = patience
        self._connections = Connections(opening or (lambda: open_connection(address)))
        self._lanes = Lanes()
        self._migrating = asyncio.Lock()
        self._current = False
        self._closed = False

    def now(self) -> int | None:
        """The time to tell the database; None to have it look at its own clock."""
        return None if self.clock is SYSTEM_CLOCK else timestamp(self.clock)

    def write(self, session: SessionKey, work: Work[T]) -> asyncio.Future[T]:
        """Run a job of a session after all that were handed over for it before; it goes on if nobody waits."""
        return self._lanes.after(session, lambda: self._carry_out(work, self._patience))

    def do(self, work: Work[T]) -> asyncio.Future[T]:
        """Run a job of no session, in no order with others; it goes on if nobody waits."""
        return self._lanes.beside(lambda: self._carry_out(work, self._patience))

    def read(self, work: Callable[[Connection], Awaitable[T]]) -> asyncio.Future[T]:
        """Run a job that only reads; it sees every write that was answered before."""

        async def reading(connection: Connection, _again: bool) -> T:
            return await work(connection)

        return self._lanes.beside(lambda: self._carry_out(reading, self._patience))

    async def ready(self) -> None:
        """Connect, and bring the schema up to date.

        Raises:
            ConfigError: the database cannot be used.
            Unavailable: it cannot be reached.
        """

        async def migrating(connection: Connection, _again: bool) -> None:
            await migrate(connection, self._address.place)
            await _refuse_to_only_read(connection, self._address)

        async with self._migrating:
            if not self._current:
                await self._lanes.beside(lambda: self._carry_out(migrating, 0))
                self._current = True

    async def check(self) -> None:
        """See that the database answers, and can be written.

        Raises:
            EmonkError: it does not.
        """

        async def checking(connection: Connection, _again: bool) -> None:
            await _refuse_to_only_read(connection, self._address)

        await self._lanes.beside(lambda: self._carry_out(checking, 0))

    def abandon(self) -> None:
        """Refuse whatever comes, in a child of `fork`: the connections are its parent's."""
        self._closed = True

    async def aclose(self) -> None:
        """Finish what was handed over, then close."""
        if self._closed:
            return
        self._closed = True
        await self._lanes.empty()
        await self._connections.aclose()

    def open(self) -> None:
        """See that it may be used here.

        Raises:
            Unavailable: it was closed.
            InvalidConfig: it belongs to another event loop.
        """
        if self._closed:
            raise Unavailable("The store is closed", code="store_closed")
        if asyncio.get_running_loop() is not self._lanes.loop:
            raise InvalidConfig(f"{self._address.place} was opened in another event loop", hint="connect in each loop")

    async def _carry_out(self, work: Work[T], patience: float) -> T:
        """Until it is known to be done or not to be, or `patience` seconds after the first failure.

        A crowded server is given time in any case: others come and go.
        """
        until, pause, again, undone = None, _FIRST_PAUSE, False, 0
        while True:
            sent = False
            try:
                connection = await self._connections.take()
                sent = True
                return await self._on(connection, work, again=again)
            except EmonkError:
                raise
            except UnicodeEncodeError as error:
                raise no_text(error) from None
            except Exception as error:
                again = again or (sent and is_lost(error))
                undone += was_undone(error)
                hopeless = not is_lost(error) and not (was_undone(error) and undone < _UNDONE_LIMIT)
                until = until or self._lanes.loop.time() + (self._patience if is_crowded(error) else patience)
                if hopeless or self._lanes.loop.time() >= until:
                    raise self._explained(error, again=again) from error
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _on(self, connection: Connection, work: Work[T], *, again: bool) -> T:
        try:
            result = await work(connection, again)
        except EmonkError:
            self._connections.give_back(connection)
            raise
        except BaseException:
            self._connections.drop(connection)
            raise
        self._connections.give_back(connection)
        return result

    def _explained(self, error: Exception, *, again: bool) -> EmonkError:
        reason = explain(error, self._address)
        if again and isinstance(reason, Unavailable):
            text = f"{reason.message}; what was under way may or may not have been kept"
            return Unavailable(text, hint=reason.hint, code="outcome_not_known")
        return reason


async def _refuse_to_only_read(connection: Connection, address: Address) -> None:
    if await connection.fetchval(_CHECK):
        raise Unavailable(
            f"{address.place} can only be read", hint="is it a standby server, or set to read only?", code="read_only"
        )
