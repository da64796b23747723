"""Opening a SQLite file, and what its errors mean."""

import os
import sqlite3
import time
from pathlib import Path

from emonk.errors import EmonkError, InvalidConfig, Unavailable
from emonk.store.sqlite.schema import migrate, version_of

BUSY_SECONDS = 5.0
_OLDEST = (3, 37, 0)  # STRICT tables
_PAUSE = 0.01

_LOCKED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_FORBIDDEN = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH}


PAGE_BYTES = 1024


def open_writer(path: Path, *, busy_seconds: float = BUSY_SECONDS) -> sqlite3.Connection:
    """A connection for writing, its file created, its schema current; conversations are private, so mode 0600.

    Raises:
        InvalidConfig: the file cannot be used; the message names it.
        sqlite3.Error: see `explain`.
    """
    if sqlite3.sqlite_version_info < _OLDEST:
        raise InvalidConfig(f"SQLite {sqlite3.sqlite_version} is too old", hint="emonk needs 3.37 or newer")
    _create(path)
    try:
        connection = _connect(path, busy_seconds)
    except sqlite3.OperationalError as error:
        raise _unusable(path, str(error)) from error
    try:
        refuse_foreign(connection, path)
        # Every page that a commit touches goes to the log, and ours change little of each. Counts for new files.
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        _write_ahead(connection, path, busy_seconds)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        migrate(connection, path)
    except sqlite3.OperationalError as error:
        connection.close()
        if _primary(error) == sqlite3.SQLITE_CANTOPEN:
            raise _unusable(path, str(error)) from error
        raise
    except BaseException:
        connection.close()
        raise
    return connection


def open_reader(path: Path, *, busy_seconds: float = BUSY_SECONDS) -> sqlite3.Connection:
    """A connection that cannot write, to a file that `open_writer` has opened."""
    connection = _connect(path, busy_seconds)
    connection.execute("PRAGMA query_only = ON")
    return connection


def explain(error: sqlite3.Error, path: Path) -> EmonkError:
    """The error in emonk's words: a human must act, or the database cannot serve at the moment."""
    code = _primary(error)
    if code in _LOCKED:
        return Unavailable(f"{path} is locked by another process", hint="is another program writing to it?")
    if code in _DAMAGED:
        return InvalidConfig(
            f"{path} is damaged or no SQLite database: {error}", hint="restore it or name another file"
        )
    if code in _FORBIDDEN:
        return _unusable(path, str(error))
    if code == sqlite3.SQLITE_FULL:
        return Unavailable(f"{path} cannot grow: {error}", hint="free space on its disk", code="disk_full")
    return Unavailable(f"{path} cannot serve: {error}")


def identity(path: Path) -> tuple[int, int] | None:
    """Which file the path leads to, None if to none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - before each commit is answered, and half the cost of `Path.stat`
    except OSError:
        return None
    return found.st_dev, found.st_ino


def write_something(connection: sqlite3.Connection) -> None:
    """Write a page that says what it said before."""
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    connection.execute(f"PRAGMA user_version = {version}")


def _create(path: Path) -> None:
    """Never opens a file that exists: closing it would drop the locks of this process (fcntl(2))."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        if not path.parent.is_dir():
            raise _unusable(path, f"{path.parent} is no directory") from None
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from error


def refuse_foreign(connection: sqlite3.Connection, path: Path) -> None:
    """Before anything is changed; in one transaction, so that another process's new schema is seen whole or not."""
    connection.execute("BEGIN")
    try:
        version_of(connection, path)
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _connect(path: Path, busy_seconds: float) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=busy_seconds, isolation_level=None)


def _write_ahead(connection: sqlite3.Connection, path: Path, busy_seconds: float) -> None:
    """Switch to the write-ahead log; SQLite does not wait for a lock here, so this does."""
    until = time.monotonic() + busy_seconds
    while True:
        try:
            mode = str(connection.execute("PRAGMA journal_mode = WAL").fetchone()[0])
        except sqlite3.OperationalError as error:
            if _primary(error) not in _LOCKED or time.monotonic() >= until:
                raise
            time.sleep(_PAUSE)
        else:
            if mode != "wal":
                raise _unusable(path, f"its file system allows no write-ahead log (journal mode {mode})")
            return


def _unusable(path: Path, reason: str) -> InvalidConfig:
    return InvalidConfig(f"{path} cannot be opened for writing: {reason}", hint="check the path and its permissions")


def _primary(error: sqlite3.Error) -> int:
    """The primary result code; -1 when the error comes from Python's own checks."""
    code: int = getattr(error, "sqlite_errorcode", -1)
    return code & 0xFF if code >= 0 else code
