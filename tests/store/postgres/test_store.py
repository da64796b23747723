"""What several holders, restarts and cancelled callers do to a PostgreSQL store."""

import asyncio
from typing import Any

import pytest

from emonk.clock import SYSTEM_CLOCK
from emonk.errors import Unavailable
from emonk.records import SessionKey
from emonk.store.connect import connect
from emonk.store.owners import enlist
from emonk.store.postgres import records
from emonk.store.postgres.address import Address
from emonk.store.postgres.database import PostgresDatabase
from emonk.store.postgres.schema import digest
from emonk.store.postgres.store import PostgresStore
from emonk.store.protocol import Append, Release
from emonk.store.record_protocol import Put
from emonk.testing.postgres import Cluster
from emonk.testing.store_conformance.rig import SESSION, accept_and_claim, message, note

from .place import admin


def test_terminated_connections_lose_nothing(database: str) -> None:
    async def main() -> None:
        store = await connect(database)
        claims = [await accept_and_claim(store, message("m", session=_key(number)), enlist()) for number in range(8)]
        kept = asyncio.Event()

        async def terminate() -> None:
            async with admin(database) as connection:
                for _ in range(8):
                    await kept.wait()
                    kept.clear()
                    await connection.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    )

        async def append(number: int) -> None:
            revision = 1
            for _ in range(25):
                operations = (Append((note(str(revision)),)),)
                revision = await store.commit(operations, fence=claims[number].lease, expected_revision=revision)
                kept.set()

        terminator = asyncio.create_task(terminate())
        await asyncio.gather(*(append(number) for number in range(8)))
        await terminator
        for number in range(8):
            assert len(await store.read(_key(number))) == 26
        await store.aclose()

    asyncio.run(main())


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_restart_under_load_loses_nothing(own_cluster: Cluster, mode: Any) -> None:
    url = own_cluster.new_database()

    async def main() -> None:
        store = await connect(url)
        claims = [await accept_and_claim(store, message("m", session=_key(number)), enlist()) for number in range(8)]
        stopping = asyncio.Event()

        async def append(number: int) -> int:
            revision = 1
            while not stopping.is_set():
                operations = (Append((note(str(revision)),)),)
                revision = await store.commit(operations, fence=claims[number].lease, expected_revision=revision)
            return revision

        work = [asyncio.create_task(append(number)) for number in range(8)]
        await asyncio.to_thread(own_cluster.stop, mode)
        await asyncio.to_thread(own_cluster.start)
        assert (await store.accept(message("after"))).state == "new"
        stopping.set()
        revisions = await asyncio.gather(*work)
        assert [len(await store.read(_key(number))) for number in range(8)] == revisions
        await store.aclose()

    asyncio.run(main())


def test_server_that_stays_away_is_unavailable_and_the_outcome_is_not_claimed_known(own_cluster: Cluster) -> None:
    url = own_cluster.new_database()

    async def main() -> None:
        database = PostgresDatabase(Address(url), SYSTEM_CLOCK, patience=0.1)
        store = PostgresStore(database, lambda: True)
        await database.ready()
        claimed = await accept_and_claim(store, message("hello"), enlist())
        await asyncio.to_thread(own_cluster.stop)
        with pytest.raises(Unavailable, match="emonk-pg") as failed:
            await store.commit((Append((note("a"),)),), fence=claimed.lease, expected_revision=1)
        assert failed.value.code in {"unavailable", "outcome_not_known"}
        with pytest.raises(Unavailable):
            await store.check()
        with pytest.raises(Unavailable):
            await connect(url)
        await asyncio.to_thread(own_cluster.start)
        assert await store.commit((), fence=claimed.lease, expected_revision=1) == 1
        await store.aclose()

    asyncio.run(main())


def test_cancelled_caller_gives_its_turn_back(database: str) -> None:
    async def main() -> None:
        store = await connect(database)
        for attempt in (store.accept(message("hello"), owner=enlist()), store.claim(SESSION, enlist())):
            task = asyncio.ensure_future(attempt)
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        claimed = await store.claim(SESSION, enlist())
        info = await store.session(SESSION)
        assert claimed is not None
        assert info is not None
        assert claimed.lease.fence == info.created_at + 3
        await store.aclose()

    asyncio.run(main())


def test_commit_goes_on_when_nobody_waits_and_keeps_its_order(database: str) -> None:
    async def main() -> None:
        store = await connect(database)
        claimed = await accept_and_claim(store, message("hello"), enlist())
        for revision in range(1, 6):
            operations = (Append((note(str(revision)),)),)
            store.commit(operations, fence=claimed.lease, expected_revision=revision).cancel()
        await store.aclose()
        with pytest.raises(Unavailable, match="closed"):
            await store.read(SESSION)
        store = await connect(database)
        assert len(await store.read(SESSION)) == 6
        await store.aclose()

    asyncio.run(main())


def test_lease_has_the_database_time(database: str) -> None:
    async def main() -> None:
        store = await connect(database)
        async with admin(database) as connection:
            before = await connection.fetchval("SELECT emonk.now(NULL)")
            claimed = await accept_and_claim(store, message("hello"), enlist())
            after = await connection.fetchval("SELECT emonk.now(NULL)")
        assert before <= claimed.lease.expires - 30_000_000 <= after
        assert before <= claimed.events[0].at <= after
        await store.aclose()

    asyncio.run(main())


def test_ids_of_any_kind_are_kept(database: str) -> None:
    async def main() -> None:
        store = await connect(database)
        for odd in ("a/b", "'; DROP TABLE x; --", "🜁" * 3000, "nul\0\x10nul", "%s $1"):
            key = SessionKey(odd, odd)
            item = message(f"text {odd}", session=key, message_id=odd, user_id=odd)
            claimed = await accept_and_claim(store, item, enlist())
            assert (claimed.item.event, claimed.item.user_id) == (item.event, odd)
            assert (await store.accept(item)).state == "repeated"
            await store.commit((Release(),), fence=claimed.lease, expected_revision=1)
            assert await store.due(odd) == [key]
            again = await store.claim(key, enlist())
            assert again is not None
            assert again.item == claimed.item
            info = await store.session(key)
            assert info is not None
            assert (info.key, info.participants) == (key, (odd,))
            assert await store.sessions(user_id=odd, agent=odd, session_id=odd) == [info]
        await store.aclose()

    asyncio.run(main())


def test_many_holders_share_few_connections(database: str) -> None:
    async def main() -> None:
        stores = [await connect(database) for _ in range(3)]
        await asyncio.gather(*(stores[n % 3].accept(message("m", session=_key(n))) for n in range(60)))
        async with admin(database) as connection:
            query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            assert await connection.fetchval(query) <= 11
        for store in stores:
            await store.aclose()

    asyncio.run(main())


def _key(number: int) -> SessionKey:
    return SessionKey("clerk", f"s{number}")


def test_what_is_due_is_found_without_a_look_at_what_is_not(database: str) -> None:
    async def main() -> str:
        store = await connect(database)
        later = [
            Put(namespace="n", key=str(number), data=b"", expected_version=0, due_at=1 << 62) for number in range(500)
        ]
        await store.put(later)
        async with admin(database) as connection:
            query = f"EXPLAIN ANALYZE {records._DUE}"  # pyright: ignore[reportPrivateUsage]
            plan = await connection.fetch(query, digest("n"), None, 100)
        await store.aclose()
        return "\n".join(str(line) for row in plan for line in row.values())

    assert "Rows Removed" not in asyncio.run(main())
