"""What several holders, restarts, cancelled callers and large texts do to a Firestore store."""

import asyncio

import pytest

from emonk.clock import SYSTEM_CLOCK
from emonk.errors import InvalidConfig, StaleSession, Unavailable
from emonk.events import Logged, UserSaid
from emonk.messages import Text
from emonk.records import Session, SessionKey
from emonk.store.connect import connect
from emonk.store.firestore.address import Address
from emonk.store.firestore.database import FirestoreDatabase
from emonk.store.firestore.documents import Query, open_documents
from emonk.store.firestore.layout import RECORDS, REMOVALS
from emonk.store.firestore.parts import PART_BYTES
from emonk.store.firestore.sessions import finish_removals
from emonk.store.firestore.store import FirestoreStore
from emonk.store.owners import enlist
from emonk.store.protocol import Append, Release
from emonk.store.record_protocol import RECORD_BYTES, Put
from emonk.testing.firestore import Emulator
from emonk.testing.store_conformance.rig import SESSION, accept_and_claim, finish, message, note, present

from .place import severed

LARGE = "5 MB, ünd möre " * 350_000


def said(logged: Logged) -> str:
    event = logged.event
    assert isinstance(event, UserSaid)
    return "".join(part.text for part in event.parts if isinstance(part, Text))


def record(key: str, session: SessionKey | None = SESSION, size: int = 2) -> Put:
    return Put(namespace="things", key=key, data=b"x" * size, expected_version=0, session=session)


async def left(url: str) -> list[str]:
    """The names of all records, and of what is still to be removed."""
    documents = await open_documents(Address(url))
    found = [one.name for path in (RECORDS, REMOVALS) for one in await documents.query(Query(path, names_only=True))]
    await documents.aclose()
    return found


def test_message_of_five_megabytes_is_accepted_claimed_answered_and_restored(firestore: str) -> None:
    async def main() -> None:
        store = await connect(firestore)
        claimed = await accept_and_claim(store, message(LARGE, message_id="m1"), enlist())
        await finish(store, claimed, note("x" * PART_BYTES), note("y" * (PART_BYTES + 1)), text=LARGE)
        assert present(await store.reply(SESSION, "m1"), "reply").text == LARGE
        await store.accept(message(LARGE, message_id="m2"))
        claimed = present(await store.claim(SESSION, enlist()), "turn")
        assert [said(claimed.events[place]) for place in (0, -1)] == [LARGE, LARGE]
        await finish(store, claimed)
        session, events = present(await store.session(SESSION), "session"), await store.read(SESSION)
        assert len(session.title) <= 80
        assert await store.delete(SESSION)
        await store.restore(session, events)
        assert await store.read(SESSION) == events
        await store.aclose()

    asyncio.run(main())


def test_more_than_a_request_takes_is_refused_and_nothing_of_it_kept(firestore: str) -> None:
    async def main() -> None:
        store = await connect(firestore)
        claimed = await accept_and_claim(store, message("hello"), enlist())
        puts = [record(str(number), size=RECORD_BYTES) for number in range(14)]
        for attempt in (
            store.put(puts),
            store.commit((Append((note("a"),)), *puts), fence=claimed.lease, expected_revision=1),
        ):
            with pytest.raises(InvalidConfig) as refused:
                await attempt
            assert refused.value.code == "too_large"
        assert await store.records("things") == []
        assert await store.commit(puts[:1], fence=claimed.lease, expected_revision=1) == 1
        await store.aclose()

    asyncio.run(main())


def test_deletion_that_was_interrupted_is_finished_by_others_and_spares_what_began_anew(firestore: str) -> None:
    async def main() -> None:
        async with severed(firestore) as (store, lost):
            await finish(store, await accept_and_claim(store, message("hello"), enlist()), note("a"))
            for start in range(0, 600, 200):
                await store.put([record(f"{start + number}") for number in range(200)])
            lost.stop_after(1)
            with pytest.raises(asyncio.CancelledError):
                await store.delete(SESSION)
            lost.go_on()
            assert await store.session(SESSION) is None
            assert (await store.accept(message("anew"), owner=enlist())).claimed is not None
            await store.put([record("anew")])
            assert len(await left(firestore)) > 200
            await finish_removals(lost.after_minutes(2))
            assert len(await left(firestore)) == 1
            assert [kept.key for kept in await store.records("things")] == ["anew"]
            assert len(await store.read(SESSION)) == 1

    asyncio.run(main())


def test_long_session_is_restored_in_several_requests(firestore: str) -> None:
    async def main() -> None:
        store = await connect(firestore)
        events = [Logged(number, number, note(str(number))) for number in range(1, 1001)]
        session = Session(
            agent="clerk",
            session_id="s1",
            user_id="ada",
            participants=("ada",),
            created_at=1,
            last_active=2,
            revision=1000,
        )
        await store.restore(session, events)
        assert (await store.session(SESSION), await store.read(SESSION)) == (session, events)
        assert await left(firestore) == []
        await store.aclose()

    asyncio.run(main())


def test_emulator_that_restarts_has_forgotten_all_and_writers_are_told(own_emulator: Emulator) -> None:
    async def main() -> None:
        database = FirestoreDatabase(Address(own_emulator.new_database()), SYSTEM_CLOCK, patience=1.5)
        store = FirestoreStore(database, lambda: True)
        await database.ready()
        claimed = await accept_and_claim(store, message("hello"), enlist())
        await asyncio.to_thread(own_emulator.stop)
        with pytest.raises(Unavailable, match="cannot serve") as failed:
            await store.commit((Append((note("a"),)),), fence=claimed.lease, expected_revision=1)
        assert failed.value.code == "outcome_not_known"
        with pytest.raises(Unavailable):
            await store.check()
        await asyncio.to_thread(own_emulator.start)
        with pytest.raises(StaleSession):
            await store.commit((Append((note("a"),)),), fence=claimed.lease, expected_revision=1)
        assert (await store.accept(message("hello"))).state == "new"
        await store.aclose()

    asyncio.run(main())


def test_twenty_sessions_write_at_once_from_two_clients(firestore: str) -> None:
    keys = [SessionKey("clerk", f"n{number}") for number in range(20)]

    async def main() -> None:
        one, other = await connect(firestore), await connect(f"{firestore}/(default)/default")
        async with severed(firestore) as (third, _):
            stores = (one, other, third)

            async def turns(key: SessionKey) -> None:
                for number in range(3):
                    store = stores[number]
                    claimed = await accept_and_claim(store, message(str(number), session=key), enlist())
                    await finish(store, claimed, note("a"))

            await asyncio.gather(*(turns(key) for key in keys))
            for key in keys:
                assert [entry.revision for entry in await third.read(key)] == [1, 2, 3, 4, 5, 6]
            assert await third.due("clerk") == []
        await one.aclose()
        await other.aclose()

    asyncio.run(main())


def test_two_clients_that_accept_for_one_session_lose_no_message(firestore: str) -> None:
    async def main() -> None:
        store = await connect(firestore)
        async with severed(firestore) as (other, _):
            names = [f"m{number}" for number in range(12)]
            holders = (store, other)
            await asyncio.gather(*(holders[number % 2].accept(message(name)) for number, name in enumerate(names)))
            seen: set[str] = set()
            while claimed := await store.claim(SESSION, enlist()):
                seen.add(claimed.item.message_id)
                await finish(store, claimed)
            assert seen == set(names)
        await store.aclose()

    asyncio.run(main())


def test_cancelled_caller_gives_its_turn_back(firestore: str) -> None:
    async def main() -> None:
        store = await connect(firestore)
        for attempt in (store.accept(message("hello"), owner=enlist()), store.claim(SESSION, enlist())):
            task = asyncio.ensure_future(attempt)
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        claimed = present(await store.claim(SESSION, enlist()), "turn")
        created = present(await store.session(SESSION), "session").created_at
        assert claimed.lease.fence == created + 3
        await store.aclose()

    asyncio.run(main())


def test_prefixes_keep_stores_of_one_database_apart(firestore: str) -> None:
    async def main() -> None:
        one, other = await connect(firestore), await connect(f"{firestore}/(default)/other")
        await accept_and_claim(one, message("hello"), enlist())
        assert await other.sessions() == []
        assert await other.due("clerk") == []
        await other.accept(message("hello"))
        assert len(await one.read(SESSION)) == 1
        await one.aclose()
        await other.aclose()

    asyncio.run(main())


def test_lease_runs_on_the_servers_clock(firestore: str) -> None:
    async def main() -> None:
        async with severed(firestore) as (store, lost):
            claimed = await accept_and_claim(store, message("hello"), enlist())
            assert abs(claimed.lease.expires - 30_000_000 - lost.server_time()) < 30_000_000
            assert claimed.events[0].at <= lost.server_time()
            await store.commit((Release(),), fence=claimed.lease, expected_revision=1)

    asyncio.run(main())
