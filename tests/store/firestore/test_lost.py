"""An answer that is lost before or after the server has done what it was asked."""

import asyncio

import pytest

from emonk.errors import StaleSession
from emonk.records import Reply
from emonk.store.connect import connect
from emonk.store.owners import enlist, retire
from emonk.store.protocol import Append, Finish, Release
from emonk.store.record_protocol import Put
from emonk.testing.store_conformance.rig import SESSION, accept_and_claim, finish, message, note, present

from .place import severed

pytestmark = pytest.mark.parametrize("after", [False, True])


def test_commit_whose_answer_is_lost_is_kept_once_and_answered_so(firestore: str, after: bool) -> None:
    async def main() -> None:
        async with severed(firestore) as (store, lost):
            claimed = await accept_and_claim(store, message("hello"), enlist())
            lost.arm(after=after)
            operations = (Append((note("a"), note("b"))),)
            assert await store.commit(operations, fence=claimed.lease, expected_revision=1) == 3
            assert len(await store.read(SESSION)) == 3
            lost.arm(after=after)
            reply = Reply(text="ok", status="done", session_id="s1", message_id="hello", trace_id="")
            assert await store.commit((Finish(reply),), fence=claimed.lease, expected_revision=3) == 3
            assert await store.reply(SESSION, "hello") == reply
            lost.arm(after=after)
            assert await store.commit((Release(),), fence=claimed.lease, expected_revision=3) == 3
            with pytest.raises(StaleSession):
                await store.renew(claimed.lease)

    asyncio.run(main())


def test_commit_whose_answer_is_lost_is_known_as_kept_after_the_next_turn(firestore: str, after: bool) -> None:
    async def main() -> None:
        async with severed(firestore) as (store, lost):
            other = await connect(firestore)
            claimed = await accept_and_claim(store, message("hello"), enlist())
            lost.arm(after=after)
            finished = asyncio.ensure_future(finish(store, claimed, note("a")))
            while present(await other.session(SESSION), "session").revision == 1:  # noqa: ASYNC110 - it is another client's
                await asyncio.sleep(0)
            taken = present((await other.accept(message("next"), owner=enlist())).claimed, "turn")
            await finish(other, taken, note("b"))
            assert await finished == 2
            assert len(await store.read(SESSION)) == 4
            await other.aclose()

    asyncio.run(main())


def test_record_of_a_commit_whose_answer_is_lost_is_written_once_or_refused(firestore: str, after: bool) -> None:
    put = Put(namespace="things", key="a", data=b"{}", expected_version=0)

    async def main() -> None:
        async with severed(firestore) as (store, lost):
            other = await connect(firestore)
            claimed = await accept_and_claim(store, message("hello"), enlist())
            lost.arm(after=after)
            written = store.commit((put, Release()), fence=claimed.lease, expected_revision=1)
            retire(claimed.lease.owner)
            taken = None
            while taken is None:
                taken = await other.claim(SESSION, enlist())
            await other.commit((), fence=taken.lease, expected_revision=1)
            (outcome,) = await asyncio.gather(written, return_exceptions=True)
            there = await store.record("things", "a") is not None
            assert (outcome == 1) if there else isinstance(outcome, StaleSession)
            await other.aclose()

    asyncio.run(main())


def test_stale_commit_whose_answer_is_lost_is_refused(firestore: str, after: bool) -> None:
    async def main() -> None:
        async with severed(firestore) as (store, lost):
            claimed = await accept_and_claim(store, message("hello"), enlist())
            await store.commit((Append((note("mine"),)),), fence=claimed.lease, expected_revision=1)
            lost.arm(after=after)
            await store.renew(claimed.lease)
            with pytest.raises(StaleSession, match="revision 2"):
                await store.commit((Append((note("late"),)),), fence=claimed.lease, expected_revision=1)

    asyncio.run(main())


def test_message_whose_answer_is_lost_is_new_and_its_turn_granted(firestore: str, after: bool) -> None:
    async def main() -> None:
        async with severed(firestore) as (store, lost):
            for text in ("one", "two"):
                lost.arm(after=after)
                accepted = await store.accept(message(text), owner=enlist())
                assert (accepted.state, accepted.reply) == ("new", None)
                claimed = present(accepted.claimed, "turn")
                assert (claimed.item.message_id, claimed.resumed) == (text, False)
                await finish(store, claimed)
            assert len(await store.read(SESSION)) == 2

    asyncio.run(main())


def test_claim_whose_answer_is_lost_is_granted_and_says_if_it_resumes(firestore: str, after: bool) -> None:
    async def main() -> None:
        async with severed(firestore) as (store, lost):
            await store.accept(message("hello"))
            fences: set[int] = set()
            for resumed in (False, True):
                lost.arm(after=after)
                claimed = present(await store.claim(SESSION, enlist()), "turn")
                assert (claimed.resumed, claimed.revision) == (resumed, 1)
                fences.add(claimed.lease.fence)
                await store.commit((Release(),), fence=claimed.lease, expected_revision=1)
            assert max(fences) - min(fences) == 1

    asyncio.run(main())
