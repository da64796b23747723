"""Messages that wait for a language model, and turns that wait for a moment."""

import asyncio
from pathlib import Path

import pytest

from emonk.errors import (
    RateLimited,
)
from emonk.runtime.asking import Postponed
from emonk.testing.clock import ManualClock
from emonk.turns import Pump
from tests.agent.recovering import DOWN, EXACT, agent_with, ask_over, key, models
from tests.agent.weather import kinds, log_of


@pytest.fixture
def store(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'weather.db'}"


def test_a_message_can_wait_until_a_model_is_back(store: str) -> None:
    async def main() -> None:
        given = models(lead=[DOWN, "sunny at last"])
        async with agent_with(store, given) as agent:
            assert await agent.enqueue("Weather?", session_id="s", message_id="m1")
            pump = Pump([agent])
            assert await pump.once() == 1
            assert await agent.store.reply(key(agent), "m1") is None
            await agent.resume("s")
            reply = await agent.store.reply(key(agent), "m1")
            assert reply is not None
            assert (reply.text, reply.degraded) == ("sunny at last", False)
            assert kinds(await log_of(agent, "s")) == ["user_message", "model_message", "turn_finished"]

    asyncio.run(main())


def test_a_message_behind_one_that_waits_is_kept(store: str) -> None:
    async def main() -> None:
        given = models(lead=[DOWN, "the first", "the second"])
        async with agent_with(store, given) as agent:
            await agent.enqueue("first?", session_id="s", message_id="m1")
            with pytest.raises(Postponed, match="waits for a language model") as raised:
                await agent.process_message("second?", session_id="s", message_id="m2")
            assert "kept" in raised.value.hint
            reply = await agent.process_message("second?", session_id="s", message_id="m2")
            assert reply.text == "the second"

    asyncio.run(main())


def test_a_model_that_asked_for_a_moment_is_waited_for_by_everybody(store: str) -> None:
    async def main() -> None:
        clock = ManualClock()
        async with agent_with(store, models(lead=["sunny"]), clock=clock) as agent:
            agent.guards.of("models", "scripted:lead").breaker.cool_down(20)
            reply = await ask_over(clock, agent)
            assert (reply.text, reply.degraded) == ("sunny", False)

    asyncio.run(main())


def test_a_model_that_is_down_for_longer_is_not_waited_for(store: str) -> None:
    async def main() -> None:
        clock = ManualClock()
        async with agent_with(store, models(lead=["never asked"]), clock=clock) as agent:
            agent.guards.of("models", "scripted:lead").breaker.open(25)
            reply = await agent.process_message("Weather?", session_id="s")
            assert (reply.reason, reply.degraded) == ("circuit_open", True)

    asyncio.run(main())


def test_a_long_hint_of_the_lead_is_not_waited_for_while_the_fallback_stands_by(store: str) -> None:
    async def main() -> None:
        clock = ManualClock()
        given = models(lead=[RateLimited("later", retry_after=200)], fallback=["sunny"])
        async with agent_with(store, given, clock=clock, resilience=EXACT) as agent:
            assert (await agent.process_message("Weather?", session_id="s")).text == "sunny"

    asyncio.run(main())


def test_a_patient_message_outlives_a_model_that_hangs(store: str) -> None:
    async def main() -> None:
        clock = ManualClock()

        async def hang(_: object) -> str:
            await clock.sleep(10_000)
            return "too late"

        async with agent_with(store, models(lead=[hang, "sunny"]), clock=clock) as agent:
            await agent.enqueue("Weather?", session_id="s", message_id="m1")
            for _ in range(2):
                resumed = asyncio.create_task(agent.resume("s"))
                while not resumed.done():
                    await (clock.advance(10) if clock.sleepers else asyncio.sleep(0))
                await asyncio.gather(resumed, return_exceptions=True)
            reply = await agent.store.reply(key(agent), "m1")
            assert reply is not None
            assert reply.text == "sunny"

    asyncio.run(main())


def test_a_message_that_waits_can_be_cancelled(store: str) -> None:
    async def main() -> None:
        given = models(lead=[DOWN, "sunny"])
        async with agent_with(store, given) as agent:
            assert not await agent.cancel("s")
            await agent.enqueue("Weather?", session_id="s", message_id="m1")
            await Pump([agent]).once()
            assert await agent.cancel("s")
            reply = await agent.store.reply(key(agent), "m1")
            assert reply is not None
            assert reply.status == "cancelled"
            assert (await agent.process_message("And now?", session_id="s")).text == "sunny"

    asyncio.run(main())
