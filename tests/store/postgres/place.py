"""A PostgreSQL database under test: looked at from beside, and with connections that are lost when a test says so."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from emonk.clock import SYSTEM_CLOCK
from emonk.store.postgres.address import Address
from emonk.store.postgres.connection import Connection, open_connection
from emonk.store.postgres.database import PostgresDatabase
from emonk.store.postgres.store import PostgresStore


@asynccontextmanager
async def admin(url: str) -> AsyncGenerator[Connection]:
    connection = await open_connection(Address(url))
    try:
        yield connection
    finally:
        await connection.close(timeout=5)


_WAITING = """SELECT array_agg(pid) FROM pg_stat_activity
    WHERE wait_event_type = 'Lock' AND datname = current_database()"""


async def waiting(connection: Connection) -> list[int]:
    """Who waits for a lock, as soon as anybody does."""
    while not (found := await connection.fetchval(_WAITING)):
        continue
    return found


class Severed:
    """A connection that is lost at the next call of `method`: before it was sent, or after it was carried out."""

    def __init__(self, connection: Connection, sever: "Sever") -> None:
        self._connection = connection
        self._sever = sever

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._connection, name)
        if name not in {"execute", "fetch", "fetchrow", "fetchval"}:
            return found

        async def call(query: str, *values: object) -> Any:
            lost = self._sever.armed and self._sever.where in query
            if lost and not self._sever.after:
                self.lose()
            result = await found(query, *values)
            if lost:
                self.lose()
            return result

        return call

    def transaction(self) -> Any:
        return _SeveredTransaction(self._connection.transaction(), self)

    def lose(self) -> None:
        self._sever.armed = False
        self._connection.terminate()
        raise ConnectionResetError("server closed the connection unexpectedly")

    @property
    def sever(self) -> "Sever":
        return self._sever


class _SeveredTransaction:
    def __init__(self, inner: Any, connection: Severed) -> None:
        self._inner = inner
        self._connection = connection

    async def __aenter__(self) -> None:
        await self._inner.__aenter__()

    async def __aexit__(self, kind: Any, error: Any, trace: Any) -> None:
        sever = self._connection.sever
        lost = sever.armed and sever.where == "COMMIT" and error is None
        if lost and not sever.after:
            self._connection.lose()
        await self._inner.__aexit__(kind, error, trace)
        if lost:
            self._connection.lose()


class Sever:
    """When to lose a connection."""

    def __init__(self, url: str) -> None:
        self._address = Address(url)
        self.armed = False
        self.where = ""
        self.after = False
        self.opened: list[Connection] = []

    async def __call__(self) -> Any:
        self.opened.append(await open_connection(self._address))
        return Severed(self.opened[-1], self)

    def arm(self, where: str, *, after: bool) -> None:
        self.armed, self.where, self.after = True, where, after


@asynccontextmanager
async def severed(url: str) -> AsyncGenerator[tuple[PostgresStore, Sever]]:
    sever = Sever(url)
    database = PostgresDatabase(Address(url), SYSTEM_CLOCK, opening=sever)
    store = PostgresStore(database, lambda: True)
    await database.ready()
    try:
        yield store, sever
    finally:
        await store.aclose()
        assert not sever.armed
