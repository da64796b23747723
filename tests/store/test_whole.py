"""Long sessions, and databases that fail, in what is kept beside the log."""

import asyncio
import sqlite3
from decimal import Decimal
from pathlib import Path

import pytest

from emonk.clock import SYSTEM_CLOCK
from emonk.errors import EmonkError, Unavailable
from emonk.records import SessionKey, UsageRow
from emonk.store.connect import connect
from emonk.store.memory_protocol import MemoryScope
from emonk.store.owners import enlist
from emonk.store.protocol import Store
from emonk.store.record_protocol import Put
from emonk.store.sqlite.database import SqliteFile
from emonk.store.sqlite.store import SqliteStore
from emonk.testing.store_conformance.rig import SESSION, accept_and_claim, finish, message, note

from .postgres.place import admin

SCOPE = MemoryScope("clerk", "ada")


def test_a_session_of_ten_thousand_events_is_deleted_and_restored(url: str) -> None:
    length = 1_000 if url.startswith("firestore") else 10_000  # the emulator takes half a minute for as many

    async def main() -> None:
        store = await connect(url)
        claimed = await accept_and_claim(store, message("hello"), enlist())
        await finish(store, claimed, *(note("x") for _ in range(length)))
        session, events = await store.session(SESSION), await store.read(SESSION)
        assert session is not None
        assert await store.delete(SESSION)
        assert await store.read(SESSION) == []
        await store.restore(session, events)
        assert await store.read(SESSION) == events
        await store.aclose()

    asyncio.run(main())


def test_many_sessions_are_deleted_while_others_are_written_to(url: str) -> None:
    async def main() -> None:
        store = await connect(url)
        keys = [SessionKey("clerk", f"n{number}") for number in range(40)]
        for key in keys:
            await store.accept(message("hello", session=key))

        async def talk(key: SessionKey) -> None:
            claimed = await store.claim(key, enlist())
            assert claimed is not None
            await finish(store, claimed, note("x"))

        await asyncio.gather(*(talk(key) if number % 2 else store.delete(key) for number, key in enumerate(keys)))
        assert {info.key for info in await store.sessions(limit=100)} == set(keys[1::2])
        assert [len(await store.read(key)) for key in keys] == [0, 2] * 20
        await store.aclose()

    asyncio.run(main())


async def refusals(store: Store) -> list[str]:
    """What every method that writes says of a database that cannot be written."""
    row = UsageRow(
        row_id="r2",
        agent="clerk",
        session_id="s1",
        user_id="ada",
        trace_id="",
        purpose="turn",
        provider="google",
        model="m",
        state="completed",
        started_at=1,
        cost_usd=Decimal(1),
    )
    session = await store.session(SESSION)
    assert session is not None
    calls = [
        lambda: store.create(SessionKey("clerk", "new"), user_id="ada"),
        lambda: store.describe(SESSION, title="x"),
        lambda: store.delete(SESSION),
        lambda: store.put([Put(namespace="things", key="new", data=b"", expected_version=0)]),
        lambda: store.remove("things", "kept", expected_version=1),
        lambda: store.bill([row]),
        lambda: store.remember(SCOPE, "new", "text"),
        lambda: store.forget(SCOPE, "kept"),
    ]
    codes: list[str] = []
    for call in calls:
        with pytest.raises(EmonkError) as caught:
            await call()
        assert isinstance(caught.value, Unavailable)
        codes.append(caught.value.code)
    return codes


async def filled(store: Store) -> None:
    await store.create(SESSION, user_id="ada", title="Trip")
    await store.put([Put(namespace="things", key="kept", data=b"{}", expected_version=0)])
    await store.remember(SCOPE, "kept", "green tea")


async def unchanged(store: Store) -> None:
    assert [info.title for info in await store.sessions()] == ["Trip"]
    assert [record.key for record in await store.records("things")] == ["kept"]
    assert [kept.key for kept in await store.search_memory(SCOPE, "tea text")] == ["kept"]


def test_a_locked_file_is_told_and_nothing_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "store.db"

    async def main() -> None:
        store = SqliteStore(SqliteFile(path, SYSTEM_CLOCK, busy_seconds=0.01), lambda: True)
        await filled(store)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        assert await refusals(store) == ["unavailable"] * 8
        other.close()
        await unchanged(store)
        assert await store.delete(SESSION)
        await store.aclose()

    asyncio.run(main())


def test_a_full_disk_is_told_and_nothing_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "store.db"

    async def main() -> None:
        file = SqliteFile(path, SYSTEM_CLOCK)
        store = SqliteStore(file, lambda: True)
        await filled(store)
        pages = await file.write(lambda connection: connection.execute("PRAGMA page_count").fetchone()[0])
        await file.write(lambda connection: connection.execute(f"PRAGMA max_page_count = {pages}").fetchone())
        large = Put(namespace="things", key="large", data=b"x" * 500_000, expected_version=0)
        with pytest.raises(Unavailable) as caught:
            await store.put([large])
        assert caught.value.code == "disk_full"
        with pytest.raises(Unavailable, match="cannot grow"):
            await store.remember(SCOPE, "large", "x y " * 20_000)
        await unchanged(store)
        await store.aclose()

    asyncio.run(main())


def test_a_database_that_only_reads_is_told_and_nothing_is_lost(database: str) -> None:
    async def main() -> None:
        store = await connect(database)
        await filled(store)
        await store.aclose()
        async with admin(database) as connection:
            name = await connection.fetchval("SELECT current_database()")
            store = await connect(database)
            await connection.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        assert await refusals(store) == ["read_only"] * 8
        await unchanged(store)
        await store.aclose()

    asyncio.run(main())
