"""A connection that is lost before or after the server has done what it was asked."""

import asyncio

import pytest

from emonk.errors import StaleSession
from emonk.records import Reply
from emonk.store.owners import enlist
from emonk.store.protocol import Append, Finish, Release
from emonk.testing.store_conformance.rig import SESSION, accept_and_claim, finish, message, note

from .place import admin, severed, waiting


@pytest.mark.parametrize("after", [False, True])
def test_commit_whose_connection_is_lost_is_kept_once_and_answered_so(database: str, after: bool) -> None:
    async def main() -> None:
        async with severed(database) as (store, sever):
            claimed = await accept_and_claim(store, message("hello"), enlist())
            sever.arm("UPDATE emonk.sessions SET revision", after=after)
            operations = (Append((note("a"), note("b"))),)
            assert await store.commit(operations, fence=claimed.lease, expected_revision=1) == 3
            assert len(await store.read(SESSION)) == 3
            sever.arm("UPDATE emonk.sessions SET revision", after=after)
            reply = Reply(text="ok", status="done", session_id="s1", message_id="hello", trace_id="")
            assert await store.commit((Finish(reply),), fence=claimed.lease, expected_revision=3) == 3
            assert await store.reply(SESSION, "hello") == reply
            sever.arm("UPDATE emonk.sessions SET revision", after=after)
            assert await store.commit((Release(),), fence=claimed.lease, expected_revision=3) == 3
            with pytest.raises(StaleSession):
                await store.renew(claimed.lease)

    asyncio.run(main())


@pytest.mark.parametrize("after", [False, True])
def test_stale_commit_whose_connection_is_lost_is_refused(database: str, after: bool) -> None:
    async def main() -> None:
        async with severed(database) as (store, sever):
            claimed = await accept_and_claim(store, message("hello"), enlist())
            await store.commit((Append((note("mine"),)),), fence=claimed.lease, expected_revision=1)
            sever.arm("UPDATE emonk.sessions SET revision", after=after)
            with pytest.raises(StaleSession, match="revision 2"):
                await store.commit((Append((note("late"),)),), fence=claimed.lease, expected_revision=1)

    asyncio.run(main())


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("where", ["INTO emonk.inbox", "message_count", "COMMIT"])
def test_message_whose_connection_is_lost_is_new_and_its_turn_granted(database: str, where: str, after: bool) -> None:
    async def main() -> None:
        async with severed(database) as (store, sever):
            for text in ("one", "two"):
                sever.arm(where, after=after)
                accepted = await store.accept(message(text), owner=enlist())
                assert (accepted.state, accepted.reply) == ("new", None)
                assert accepted.claimed is not None
                assert (accepted.claimed.item.message_id, accepted.claimed.resumed) == (text, False)
                await finish(store, accepted.claimed)
            assert len(await store.read(SESSION)) == 2

    asyncio.run(main())


@pytest.mark.parametrize("after", [False, True])
def test_claim_whose_connection_is_lost_is_granted_and_says_if_it_resumes(database: str, after: bool) -> None:
    async def main() -> None:
        async with severed(database) as (store, sever):
            await store.accept(message("hello"))
            for resumed in (False, True):
                sever.arm("COMMIT", after=after)
                claimed = await store.claim(SESSION, enlist())
                info = await store.session(SESSION)
                assert claimed is not None
                assert info is not None
                grants = claimed.lease.fence - info.created_at
                assert (claimed.resumed, claimed.revision, grants) == (resumed, 1, 1 + resumed)
                await store.commit((Release(),), fence=claimed.lease, expected_revision=1)

    asyncio.run(main())


@pytest.mark.parametrize("by", ["server", "network"])
def test_commit_that_is_lost_while_it_waits_is_kept_once(database: str, by: str) -> None:
    """A server that lost its client goes on with what it waits for, while the next attempt queues behind it."""

    async def main() -> None:
        async with severed(database) as (store, sever), admin(database) as holder, admin(database) as watcher:
            claimed = await accept_and_claim(store, message("hello"), enlist())
            async with holder.transaction():
                await holder.execute("SELECT FROM emonk.sessions FOR UPDATE")
                operations = (Append((note("a"),)), Release())
                committed = store.commit(operations, fence=claimed.lease, expected_revision=1)
                (pid,) = await waiting(watcher)
                if by == "server":
                    await watcher.execute("SELECT pg_terminate_backend($1)", pid)
                else:
                    sever.opened[-1].terminate()
                while await waiting(watcher) == [pid]:
                    continue
            assert await committed == 2
            assert len(await store.read(SESSION)) == 2

    asyncio.run(main())


def test_schema_that_moves_on_under_a_running_store_is_no_error(database: str) -> None:
    async def main() -> None:
        async with severed(database) as (store, _), admin(database) as connection:
            await store.accept(message("one"))
            await connection.execute("ALTER TABLE emonk.sessions ALTER COLUMN title TYPE varchar")
            assert (await store.accept(message("two"))).state == "new"
            assert await store.session(SESSION) is not None

    asyncio.run(main())
