"""What a store finds out about itself when it is asked."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from emonk.clock import SYSTEM_CLOCK
from emonk.errors import Unavailable
from emonk.store.sqlite.database import SqliteFile
from emonk.store.sqlite.store import SqliteStore
from emonk.testing.store_conformance.rig import message


def with_store(path: Path, use: Callable[[SqliteStore], Awaitable[None]]) -> None:
    """A store that gives up waiting for a lock at once."""

    async def main() -> None:
        store = SqliteStore(SqliteFile(path, SYSTEM_CLOCK, busy_seconds=0.01), lambda: True)
        try:
            await store.accept(message("hello", message_id="m1"))
            await store.check()
            await use(store)
        finally:
            await store.aclose()

    asyncio.run(main())


def test_a_failed_write_is_told_until_one_succeeds(tmp_path: Path) -> None:
    path = tmp_path / "store.db"

    async def use(store: SqliteStore) -> None:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        await store.check()
        with pytest.raises(Unavailable, match="locked"):
            await store.accept(message("more", message_id="m2"))
        for _ in range(2):
            with pytest.raises(Unavailable, match="locked"):
                await store.check()
        other.execute("COMMIT")
        other.close()
        await store.check()

    with_store(path, use)


def test_a_file_that_is_gone_or_another_is_told(tmp_path: Path) -> None:
    path = tmp_path / "store.db"

    async def use(store: SqliteStore) -> None:
        path.rename(tmp_path / "moved.db")
        for _ in range(2):
            with pytest.raises(Unavailable, match="removed") as caught:
                await store.check()
            assert caught.value.code == "store_removed"
            path.touch()

    with_store(path, use)


def test_nothing_is_acknowledged_that_goes_into_a_file_that_was_removed(tmp_path: Path) -> None:
    path = tmp_path / "store.db"

    async def use(store: SqliteStore) -> None:
        await store.accept(message("before"))
        path.unlink()
        for text in ("one", "two"):
            with pytest.raises(Unavailable, match="removed") as caught:
                await store.accept(message(text))
            assert caught.value.code == "store_removed"
        assert not path.exists()

    with_store(path, use)
