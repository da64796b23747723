"""Leases are held for as long as a turn runs, and only for its own turn."""

import asyncio
from pathlib import Path

from emonk import Reply
from emonk.errors import Unavailable
from emonk.runtime.renewal import RENEW_SECONDS
from emonk.store.protocol import LEASE_SECONDS
from emonk.testing.clock import ManualClock
from emonk.testing.model import call
from tests.agent.weather import Gate, kinds, log_of, weather_agent
from tests.runtime.stores import failing_store, until

# The turn's time limit and the renewal.
SLEEPERS = 2


def test_a_long_turn_renews_its_lease_every_third_of_it(tmp_path: Path) -> None:
    async def main() -> None:
        clock, gate = ManualClock(), Gate()
        store = await failing_store(tmp_path, clock)
        agent, _ = weather_agent([call("wait"), "through"], store, tools=[gate.tool()], clock=clock)
        async with agent:
            turn = asyncio.create_task(agent.process_message("go", session_id="s"))
            await gate.entered.wait()
            for count in range(1, 7):
                await clock.wait_for_sleepers(SLEEPERS)
                await clock.advance(RENEW_SECONDS)
                assert store.renewals == count
            gate.opened.set()
            assert (await turn).text == "through"
        await store.aclose()

    asyncio.run(main())


def test_a_renewal_that_fails_once_does_not_end_the_turn(tmp_path: Path) -> None:
    async def main() -> None:
        clock, gate = ManualClock(), Gate()
        store = await failing_store(tmp_path, clock)
        agent, _ = weather_agent([call("wait"), "through"], store, tools=[gate.tool()], clock=clock)
        async with agent:
            turn = asyncio.create_task(agent.process_message("go", session_id="s"))
            await gate.entered.wait()
            store.renewing = lambda: Unavailable("locked")
            await clock.wait_for_sleepers(SLEEPERS)
            await clock.advance(RENEW_SECONDS)
            store.renewing = lambda: None
            assert store.renewals == 1
            gate.opened.set()
            assert (await turn).text == "through"
        await store.aclose()

    asyncio.run(main())


def test_a_writer_whose_lease_ran_out_writes_nothing_and_gets_the_other_ones_reply(tmp_path: Path) -> None:
    async def main() -> None:
        clock, gate, opened = ManualClock(), Gate(), Gate()
        opened.opened.set()
        store = await failing_store(tmp_path, clock)
        slow, _ = weather_agent([call("wait"), "too late"], store, tools=[gate.tool()], clock=clock)
        quick, _ = weather_agent(["taken over"], store, tools=[opened.tool()], clock=clock)
        async with slow, quick:
            turn = asyncio.create_task(slow.process_message("go", session_id="s"))
            await gate.entered.wait()
            await until(lambda: store.commits)
            store.renewing = lambda: Unavailable("locked")
            await clock.wait_for_sleepers(SLEEPERS)
            await clock.advance(LEASE_SECONDS + 1)
            taken = await quick.resume("s")
            assert taken is not None
            gate.opened.set()
            assert await _reply(turn, clock) == taken
            log = kinds(await log_of(quick, "s"))
            assert (taken.text, log.count("model_message"), log.count("turn_finished")) == ("taken over", 2, 1)
        await store.aclose()

    asyncio.run(main())


async def _reply(turn: "asyncio.Task[Reply]", clock: ManualClock) -> Reply:
    """Its queue asks the store again and again, on this clock."""
    while not turn.done():
        await clock.advance(0.1)
    return await turn
