"""From a URL to a store; one per URL and process, however many hold it."""

import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from emonk.clock import SYSTEM_CLOCK, Clock
from emonk.errors import InvalidConfig
from emonk.store.protocol import Store

if TYPE_CHECKING:
    from emonk.store.sqlite import SqliteFile

_SQLITE = "sqlite:///"
_HINT = "write sqlite:///relative.db or sqlite:////absolute.db"

_lock = threading.Lock()
_open: "dict[Path, _Shared]" = {}
_inherited: set[Path] = set()
"""Open in the process that this one was forked from. SQLite takes the parent's locks for its own here, and would lose
what was acknowledged: https://www.sqlite.org/howtocorrupt.html, section 2.6."""


class _Shared:
    """A file that is open in this process, and how many hold it."""

    def __init__(self, file: "SqliteFile") -> None:
        self.file = file
        self.holders = 0


async def connect(url: str, *, clock: Clock = SYSTEM_CLOCK) -> Store:
    """Open the store at `url`, or share the one that this process has open already.

    `sqlite:///name.db` is relative to the current directory, `sqlite:////name.db` is absolute; missing
    directories are made. A database in memory is refused: it would forget what it acknowledged.
    Close what you get; the last one to do so closes the file.

    Raises:
        InvalidConfig: the URL or the file cannot be used, or the file is open with another clock,
            or was open when this process was forked from another.
        Unavailable: another process keeps it locked.
    """
    from emonk.store.sqlite import SqliteStore  # noqa: PLC0415 - sqlite3 only once a store is opened

    path = sqlite_path(url)
    shared = _hold(path, clock)
    store = SqliteStore(shared.file, lambda: _let_go(path, shared))
    try:
        await shared.file.ready()
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
        raise InvalidConfig(f"Store URL {url!r} is of a kind that this emonk does not know", hint=_HINT)
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


def _hold(path: Path, clock: Clock) -> _Shared:
    from emonk.store.sqlite import SqliteFile  # noqa: PLC0415 - sqlite3 only once a store is opened

    with _lock:
        if path in _inherited:
            raise InvalidConfig(
                f"{path} was open when this process was forked, so it cannot be used here",
                hint="open stores after the fork, or start processes with the method spawn",
            )
        shared = _open.get(path)
        if shared is None:
            shared = _open[path] = _Shared(SqliteFile(path, clock))
        elif shared.file.clock is not clock:
            raise InvalidConfig(f"{path} is open in this process with another clock", hint="a store has one clock")
        shared.holders += 1
        return shared


def _let_go(path: Path, shared: _Shared) -> bool:
    with _lock:
        shared.holders -= 1
        if shared.holders:
            return False
        if _open.get(path) is shared:
            del _open[path]
        return True


def _after_fork_in_child() -> None:
    """The threads of the open files, and who might hold the lock, are in the parent only."""
    global _lock  # noqa: PLW0603  a lock that another thread held at the fork is never released here
    _lock = threading.Lock()
    _inherited.update(_open)
    for shared in _open.values():
        shared.file.abandon()
    _open.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
