"""Records, the bill, memories and whole sessions where a connection is lost before or after the server has acted."""

import asyncio
from decimal import Decimal

import msgspec
import pytest

from emonk.errors import Conflict, Unavailable
from emonk.records import UsageRow
from emonk.store.memory_protocol import MemoryScope
from emonk.store.owners import enlist
from emonk.store.protocol import Append, Bill, Release
from emonk.store.record_protocol import Put
from emonk.store.usage_protocol import UsageFilter
from emonk.testing.store_conformance.rig import SESSION, accept_and_claim, finish, message, note

from .place import admin, severed

LOST = pytest.mark.parametrize("after", [False, True])
ROW = UsageRow(
    row_id="r1",
    agent="clerk",
    session_id="s1",
    user_id="ada",
    trace_id="",
    purpose="turn",
    provider="google",
    model="m",
    state="completed",
    started_at=1,
    cost_usd=Decimal("0.5"),
)


def put(key: str, version: int = 0) -> Put:
    return Put(namespace="things", key=key, data=key.encode(), expected_version=version)


@LOST
@pytest.mark.parametrize("keys", ["a", "ab"])
def test_put_is_written_once_and_answered_so(database: str, keys: str, after: bool) -> None:
    async def main() -> None:
        async with severed(database) as (store, sever):
            for version in (0, 1):
                sever.arm("COMMIT" if len(keys) > 1 else "INTO emonk.records", after=after)
                written = await store.put([put(key, version) for key in keys])
                assert [record.version for record in written] == [version + 1] * len(keys)
                assert await store.records("things") == written

    asyncio.run(main())


@LOST
def test_put_that_conflicts_is_refused(database: str, after: bool) -> None:
    async def main() -> None:
        async with severed(database) as (store, sever):
            await store.put([put("a")])
            sever.arm("INTO emonk.records", after=after)
            with pytest.raises(Conflict, match="version 1, not 0"):
                await store.put([put("a")])

    asyncio.run(main())


def test_put_after_which_others_have_written_is_not_claimed_known(database: str) -> None:
    async def main() -> None:
        async with severed(database) as (store, sever), admin(database) as connection:
            await connection.execute(
                """CREATE FUNCTION other() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                    NEW.version = 2; NEW.attempt = ''; RETURN NEW; END $$;
                CREATE TRIGGER other BEFORE INSERT ON emonk.records FOR EACH ROW EXECUTE FUNCTION other()"""
            )
            sever.arm("INTO emonk.records", after=True)
            with pytest.raises(Unavailable) as caught:
                await store.put([put("a")])
            assert caught.value.code == "outcome_not_known"

    asyncio.run(main())


@LOST
@pytest.mark.parametrize("where", ["UPDATE emonk.sessions SET revision", "INTO emonk.records", "COMMIT"])
@pytest.mark.parametrize("events", [0, 1])
def test_commit_with_records_and_a_bill_is_kept_once(database: str, where: str, events: int, after: bool) -> None:
    async def main() -> None:
        async with severed(database) as (store, sever):
            claimed = await accept_and_claim(store, message("hello"), enlist())
            sever.arm(where, after=after)
            operations = (Append((note("a"),) * events), put("a"), put("b"), Bill((ROW,)), Release())
            assert await store.commit(operations, fence=claimed.lease, expected_revision=1) == 1 + events
            records = await store.records("things", session=SESSION)
            assert [(record.key, record.version) for record in records] == [("a", 1), ("b", 1)]
            assert await store.usage_rows(UsageFilter()) == [ROW]
            assert len(await store.read(SESSION)) == 1 + events

    asyncio.run(main())


@LOST
def test_commit_of_a_bill_alone_is_kept_once(database: str, after: bool) -> None:
    async def main() -> None:
        async with severed(database) as (store, sever):
            claimed = await accept_and_claim(store, message("hello"), enlist())
            sever.arm("INTO emonk.usage", after=after)
            assert await store.commit((Bill((ROW,)), Release()), fence=claimed.lease, expected_revision=1) == 1
            assert await store.usage_rows(UsageFilter()) == [ROW]

    asyncio.run(main())


@LOST
def test_what_stands_alone_is_carried_out_once(database: str, after: bool) -> None:
    async def main() -> None:
        async with severed(database) as (store, sever):
            await store.put([put("a")])
            sever.arm("DELETE FROM emonk.records", after=after)
            await store.remove("things", "a", expected_version=1)
            sever.arm("INTO emonk.usage", after=after)
            await store.bill([msgspec.structs.replace(ROW, state="started"), ROW])
            assert await store.usage_rows(UsageFilter()) == [ROW]
            scope = MemoryScope("clerk", "ada")
            sever.arm("INTO emonk.memories", after=after)
            assert (await store.remember(scope, "tea", "green")).text == "green"
            sever.arm("DELETE FROM emonk.memories", after=after)
            assert await store.forget(scope, "tea")
            assert not await store.forget(scope, "tea")

    asyncio.run(main())


@LOST
def test_session_is_created_described_deleted_and_restored_once(database: str, after: bool) -> None:
    async def main() -> None:
        async with severed(database) as (store, sever):
            sever.arm("COMMIT", after=after)
            made = await store.create(SESSION, user_id="ada", title="Trip", metadata={"a": 1})
            assert await store.session(SESSION) == made
            with pytest.raises(Conflict):
                await store.create(SESSION, user_id="ada")
            sever.arm("UPDATE emonk.sessions SET title", after=after)
            assert await store.describe(SESSION, title="Rome") == msgspec.structs.replace(made, title="Rome")
            await finish(store, await accept_and_claim(store, message("hello"), enlist()), note("a"))
            whole, events = await store.session(SESSION), await store.read(SESSION)
            assert whole is not None
            sever.arm("COMMIT", after=after)
            assert await store.delete(SESSION)
            assert not await store.delete(SESSION)
            sever.arm("COMMIT", after=after)
            await store.restore(whole, events)
            assert (await store.session(SESSION), await store.read(SESSION)) == (whole, events)

    asyncio.run(main())
