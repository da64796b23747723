"""Connections to a PostgreSQL database: how one is opened, and how few are shared by many."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, cast

from emonk.errors import InvalidConfig
from emonk.store.postgres.address import Address
from emonk.store.postgres.errors import is_crowded

Record = Mapping[str, Any]

CONNECTIONS = 10
"""Commits that wait for the disk together share a flush, so a few of them at once do more."""
CROWDED_SECONDS = 30.0
CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 30.0
# A frozen process must not keep a row locked, and what was acknowledged must be on the disk.
_PREPARE = """SELECT set_config('lock_timeout', '5s', false),
    set_config('idle_in_transaction_session_timeout', '15s', false),
    set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on'
        ELSE current_setting('synchronous_commit') END, false)"""


class Connection(Protocol):
    """What is used of `asyncpg.Connection`."""

    async def execute(self, query: str, *values: object) -> str: ...

    async def fetch(self, query: str, *values: object) -> Sequence[Record]: ...

    async def fetchrow(self, query: str, *values: object) -> Record | None: ...

    async def fetchval(self, query: str, *values: object) -> Any: ...

    def transaction(self) -> AbstractAsyncContextManager[object]: ...

    def is_closed(self) -> bool: ...

    def terminate(self) -> None: ...

    async def close(self, *, timeout: float) -> None: ...  # noqa: ASYNC109 - asyncpg's


Opening = Callable[[], Awaitable[Connection]]


async def open_connection(address: Address) -> Connection:
    """One connection, set up as every one must be.

    Raises:
        InvalidConfig: asyncpg is not installed.
        Exception: see `postgres_errors`.
    """
    try:
        import asyncpg  # noqa: PLC0415  only once a PostgreSQL store is opened
    except ImportError as error:
        raise InvalidConfig(f"{address.place}: asyncpg is not installed", hint="install emonk[postgres]") from error
    connect = cast("Callable[..., Awaitable[Connection]]", asyncpg.connect)
    connection = await connect(
        address.url,
        timeout=CONNECT_SECONDS,
        command_timeout=ANSWER_SECONDS,
        server_settings={"application_name": "emonk"},
    )
    try:
        await connection.execute(_PREPARE)
    except BaseException:
        connection.terminate()
        raise
    return connection


class Connections:
    """At most so many at once, opened when first needed; the last one used is used next.

    Where the server has no place for one more, those that there are have to do for a while.
    """

    def __init__(self, opening: Opening, *, limit: int = CONNECTIONS) -> None:
        self._opening = opening
        self._slots = asyncio.Semaphore(limit)
        self._idle: list[Connection] = []
        self._open = 0
        self._refused = 0
        self._crowded_until = 0.0

    async def take(self) -> Connection:
        """Wait for a connection; each one taken must be given back or dropped."""
        self._try_more_again()
        while True:
            await self._slots.acquire()
            try:
                return self._rested() or await self._one_more()
            except BaseException as error:
                if not (is_crowded(error) and self._open):
                    self._slots.release()
                    raise
            self._refused += 1  # its slot stays taken, so that we wait for one of those that there are
            self._crowded_until = asyncio.get_running_loop().time() + CROWDED_SECONDS

    def give_back(self, connection: Connection) -> None:
        """It is in order: no transaction is open."""
        self._idle.append(connection)
        self._slots.release()

    def drop(self, connection: Connection) -> None:
        """It is not known in what state it is."""
        connection.terminate()
        self._open -= 1
        self._slots.release()

    async def aclose(self) -> None:
        """Say goodbye on those that nobody uses."""
        while self._idle:
            connection = self._idle.pop()
            try:
                await connection.close(timeout=CONNECT_SECONDS)
            except Exception:  # noqa: BLE001 - the server is gone, and so is the connection
                connection.terminate()

    def _rested(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
            self._open -= 1
        return None

    async def _one_more(self) -> Connection:
        connection = await self._opening()
        self._open += 1
        return connection

    def _try_more_again(self) -> None:
        if self._refused and asyncio.get_running_loop().time() >= self._crowded_until:
            for _ in range(self._refused):
                self._slots.release()
            self._refused = 0
