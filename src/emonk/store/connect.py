"""From a URL to a store; one per URL and process, however many hold it."""

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Protocol, TypeVar, cast

from emonk.clock import SYSTEM_CLOCK, Clock
from emonk.errors import InvalidConfig
from emonk.store.protocol import Store

T = TypeVar("T", bound="_Database")

_SQLITE = "sqlite:///"
_POSTGRES = ("postgresql://", "postgres://")
_FIRESTORE = "firestore://"
_HINT = (
    "write sqlite:///relative.db or sqlite:////absolute.db, postgresql://user@host/database, "
    "or firestore://PROJECT/DATABASE"
)

_lock = threading.Lock()
_open: "dict[Hashable, _Shared]" = {}
_inherited: set[Hashable] = set()
"""Open in the process that this one was forked from. SQLite takes the parent's locks for its own here, and would lose
what was acknowledged: https://www.sqlite.org/howtocorrupt.html, section 2.6."""


class _Database(Protocol):
    """What a file and a server's database have in common."""

    clock: Clock

    async def ready(self) -> None: ...

    def abandon(self) -> None: ...


class _Shared:
    """A database that is open in this process, and how many hold it."""

    def __init__(self, database: _Database) -> None:
        self.database = database
        self.holders = 0


async def connect(url: str, *, clock: Clock = SYSTEM_CLOCK) -> Store:
    """Open the store at `url`, or share the one that this process has open already.

    `sqlite:///name.db` is relative to the current directory, `sqlite:////name.db` is absolute; missing
    directories are made. A database in memory is refused: it would forget what it acknowledged.
    `postgresql://user@host/database` is a server's database; leases and events have its time, whatever the machine's
    clock says, unless `clock` is another than the system's. The same is true of `firestore://PROJECT/DATABASE/PREFIX`,
    where the database is `(default)` and the prefix `default` when they are left out.
    Close what you get, for PostgreSQL and Firestore in the event loop it was opened in; the last one to do so closes
    the database.

    Raises:
        InvalidConfig: the URL or the database cannot be used, or it is open with another clock,
            or a file was open when this process was forked from another.
        MissingCredential: the server refuses the user or the password, or there are no credentials.
        Unavailable: another process keeps a file locked, or the server cannot be reached.
    """
    if url.startswith(_POSTGRES):
        return await _connect_postgres(url, clock)
    if url.startswith(_FIRESTORE):
        return await _connect_firestore(url, clock)
    from emonk.store.sqlite.database import SqliteFile  # noqa: PLC0415 - sqlite3 only once a store is opened
    from emonk.store.sqlite.store import SqliteStore  # noqa: PLC0415 - as above

    path = sqlite_path(url)
    shared, file = _hold(path, str(path), clock, lambda: SqliteFile(path, clock))
    return await _ready(SqliteStore(file, lambda: _let_go(path, shared)), file)


async def _connect_postgres(url: str, clock: Clock) -> Store:
    from emonk.store.postgres.address import Address  # noqa: PLC0415 - as sqlite3
    from emonk.store.postgres.database import PostgresDatabase  # noqa: PLC0415 - as sqlite3
    from emonk.store.postgres.store import PostgresStore  # noqa: PLC0415 - as sqlite3

    address = Address(url)
    key = (address.url, asyncio.get_running_loop())  # a connection belongs to an event loop
    shared, database = _hold(key, address.place, clock, lambda: PostgresDatabase(address, clock))
    return await _ready(PostgresStore(database, lambda: _let_go(key, shared)), database)


async def _connect_firestore(url: str, clock: Clock) -> Store:
    from emonk.store.firestore.address import Address  # noqa: PLC0415 - as sqlite3
    from emonk.store.firestore.database import FirestoreDatabase  # noqa: PLC0415 - as sqlite3
    from emonk.store.firestore.store import FirestoreStore  # noqa: PLC0415 - as sqlite3

    address = Address(url)
    key = (address.place, address.root, asyncio.get_running_loop())  # as with PostgreSQL
    shared, database = _hold(key, address.place, clock, lambda: FirestoreDatabase(address, clock))
    return await _ready(FirestoreStore(database, lambda: _let_go(key, shared)), database)


async def _ready(store: Store, database: _Database) -> Store:
    try:
        await database.ready()
    except BaseException:
        await store.aclose()
        raise
    return store


def sqlite_path(url: str) -> Path:
    """The file that a `sqlite:` URL names, absolute and with symbolic links resolved.

    Raises:
        InvalidConfig: it names none.
    """
    if not url.startswith(_SQLITE):
        scheme = url.partition(":")[0]
        if scheme == "sqlite":
            raise InvalidConfig(f"Store URL {url!r} names no file", hint=_HINT)
        from emonk.store.postgres.address import without_secrets  # noqa: PLC0415  only for what is wrong

        raise InvalidConfig(
            f"Store URL {without_secrets(url)!r} is of a kind that this emonk does not know", hint=_HINT
        )
    name = url.removeprefix(_SQLITE)
    if name in {"", "/"} or name.endswith("/") or ":memory:" in name:
        raise InvalidConfig(f"Store URL {url!r} names no file", hint=_HINT)
    if "?" in name or "\0" in name:
        raise InvalidConfig(f"Store URL {url!r} has options or characters that a file name cannot have", hint=_HINT)
    return Path(name).expanduser().resolve()


def data_dir() -> Path:
    """Where the embedded stores lie: `EMONK_DATA_DIR`, or the platform's place for an application's data."""
    chosen = os.environ.get("EMONK_DATA_DIR")
    if chosen:
        return Path(chosen).expanduser().absolute()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "emonk"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "emonk"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "emonk"


def default_url() -> str:
    """The store that is used when none is named."""
    return _SQLITE + str(data_dir() / "emonk.db")


def _hold(key: Hashable, name: str, clock: Clock, make: Callable[[], T]) -> tuple[_Shared, T]:
    with _lock:
        if key in _inherited:
            raise InvalidConfig(
                f"{name} was open when this process was forked, so it cannot be used here",
                hint="open stores after the fork, or start processes with the method spawn",
            )
        shared = _open.get(key)
        if shared is None:
            shared = _open[key] = _Shared(make())
        elif shared.database.clock is not clock:
            raise InvalidConfig(f"{name} is open in this process with another clock", hint="a store has one clock")
        shared.holders += 1
        return shared, cast("T", shared.database)


def _let_go(key: Hashable, shared: _Shared) -> bool:
    with _lock:
        shared.holders -= 1
        if shared.holders:
            return False
        if _open.get(key) is shared:
            del _open[key]
        return True


def _after_fork_in_child() -> None:
    """The threads of the open files, and who might hold the lock, are in the parent only."""
    global _lock  # noqa: PLW0603  a lock that another thread held at the fork is never released here
    _lock = threading.Lock()
    _inherited.update(_open)
    for shared in _open.values():
        shared.database.abandon()
    _open.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
