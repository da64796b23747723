"""The pump runs what others left, and one bad session keeps no other waiting."""

import asyncio
from pathlib import Path

from emonk.errors import Unavailable
from emonk.events import InboxItem, UserSaid
from emonk.messages import Text
from emonk.records import SessionKey
from emonk.store.connect import connect
from emonk.testing.clock import ManualClock
from emonk.testing.memory_store import MemoryDatabase, MemoryStore
from emonk.testing.virtual_loop import SimClock, run
from emonk.turns import SWEPT_AT_ONCE, Pump
from tests.agent.weather import weather_agent
from tests.runtime.stores import failing_store

DAY = 86400


def left_over(session_id: str) -> InboxItem:
    said = UserSaid(message_id="m", user_id="u", trace_id="t", parts=(Text("hello?"),))
    return InboxItem(SessionKey("weather", session_id), "m", "u", said)


def test_messages_that_wait_are_answered_without_anybody_asking(tmp_path: Path) -> None:
    async def main() -> None:
        store = await failing_store(tmp_path)
        for name in ("a", "b"):
            await store.accept(left_over(name))
        agent, _ = weather_agent(["one", "two"], store)
        async with agent, Pump([agent]) as pump:
            await pump.once()
            for name in ("a", "b"):
                reply = await agent.process_message("hello?", session_id=name, message_id="m")
                assert (reply.status, reply.message_id) == ("done", "m")
        await store.aclose()

    asyncio.run(main())


def test_a_session_that_fails_rests_longer_each_time_and_is_tried_again(tmp_path: Path) -> None:
    async def main() -> None:
        store, clock = await failing_store(tmp_path), ManualClock()
        await store.accept(left_over("a"))
        store.fail = lambda count: Unavailable("locked") if count % 2 else None  # the turn's write, not the release
        agent, model = weather_agent(["one"] * 9, store)
        async with agent:
            pump = Pump([agent], clock=clock, poll_seconds=1)
            assert await pump.once() == 1
            assert await pump.once() == 0
            await clock.advance(1)
            assert await pump.once() == 1
            await clock.advance(1)
            assert await pump.once() == 0
            await clock.advance(1)
            store.fail = lambda _: None
            assert await pump.once() == 1
            assert await store.reply(SessionKey("weather", "a"), "m") is not None
        assert len(model.requests) == 3
        await store.aclose()

    asyncio.run(main())


def test_idle_sessions_are_removed_some_at_a_time_while_the_others_stay(tmp_path: Path) -> None:
    async def main() -> None:
        clock = ManualClock()
        store = await connect(f"sqlite:///{tmp_path / 'expiring.db'}", clock=clock)
        agent, _ = weather_agent([], store, expire_after="30d", clock=clock)
        async with agent:
            for number in range(SWEPT_AT_ONCE + 5):
                await agent.sessions.create(session_id=f"old{number}")
                await clock.advance(1)
            await store.accept(left_over("waiting"))
            await clock.advance(20 * DAY)
            await agent.sessions.create(session_id="new")
            pump = Pump([agent], clock=clock)
            assert await pump.expire() == 0
            await clock.advance(11 * DAY)
            assert [await pump.expire() for _ in range(4)] == [SWEPT_AT_ONCE - 1, 6, 0, 0]
            assert {session.session_id for session in await store.sessions()} == {"new", "waiting"}
            await clock.advance(20 * DAY)
            assert await pump.expire() == 1
        await store.aclose()

    asyncio.run(main())


def test_a_removal_that_takes_long_keeps_no_turn_waiting() -> None:
    class Slow(MemoryStore):
        async def delete(self, session: SessionKey, *, idle_since: int | None = None) -> bool:
            await asyncio.Event().wait()
            return False

    async def main(clock: SimClock) -> None:
        store = Slow(MemoryDatabase(clock))
        agent, _ = weather_agent(["one"], store, expire_after="1d", clock=clock)
        async with agent:
            await agent.sessions.create(session_id="old")
            await asyncio.sleep(2 * DAY)
            async with Pump([agent], clock=clock):
                await asyncio.sleep(2)
                await store.accept(left_over("a"))
                await asyncio.sleep(2)
                assert await store.reply(SessionKey("weather", "a"), "m") is not None

    run(main)


def test_without_a_policy_nothing_expires(tmp_path: Path) -> None:
    async def main() -> None:
        clock = ManualClock()
        store = await connect(f"sqlite:///{tmp_path / 'kept.db'}", clock=clock)
        agent, _ = weather_agent([], store, clock=clock)
        async with agent:
            await agent.sessions.create(session_id="old")
            await clock.advance(10_000 * DAY)
            assert await Pump([agent], clock=clock).expire() == 0
            assert len(await store.sessions()) == 1
        await store.aclose()

    asyncio.run(main())
