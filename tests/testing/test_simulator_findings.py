"""Defects that the simulator found, each as the smallest story that showed it."""

import asyncio
from typing import Any

from emonk import Agent
from emonk.errors import Unavailable
from emonk.testing.memory_store import MemoryDatabase
from emonk.testing.model import ScriptedModel
from emonk.testing.simulator import Fault, ModelFault, Said, Schedule, judge, replay
from emonk.testing.virtual_loop import SimClock, run


def test_after_a_503_with_a_hint_a_turn_that_went_on_with_another_model_does_not_ask_the_first_before_it() -> None:
    agent = Agent("a", {"lead": "gemini:gemini-2.5-pro", "worker": "gemini:gemini-2.0-flash"}, unpriced="allow")
    said = Said(at=1.0, session="s1", user="ann", message_id="m", text="Go")
    faults = {1: Fault(ModelFault.HTTP_503_HINT, 3000.0), 2: Fault(ModelFault.MALFORMED)}
    history = replay(agent, Schedule(seed=1, events=(said,), models={"s1": faults}))
    assert judge(history).broken is None, "\n".join(history.lines())


def test_a_repetition_that_is_answered_while_the_session_fails_leaves_no_exception_behind() -> None:
    unhandled: list[Any] = []

    async def main(clock: SimClock) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))
        store = MemoryDatabase(clock, latency=lambda: 0.005).open()
        model = ScriptedModel(lambda _: "hi" if clock.monotonic() < 1100 else Unavailable("away"))
        async with Agent("a", model, store=store, clock=clock) as agent:
            await agent.process_message("one", session_id="s", message_id="m1")
            await clock.sleep(200)
            agent.guards.of("models", model.spec).breaker.open(500)
            await agent.enqueue("two", session_id="s", message_id="m2")
            third = asyncio.create_task(agent.process_message("three", session_id="s", message_id="m3"))
            await clock.sleep(0.012)
            await agent.process_message("one", session_id="s", message_id="m1")
            await asyncio.gather(third, return_exceptions=True)

    run(main)
    assert unhandled == []


def test_a_stream_that_breaks_with_a_plain_error_is_not_asked_for_again() -> None:
    said = Said(at=1.0, session="s1", user="ann", message_id="m", text="Go", streaming=True)
    agent = Agent("a", "gemini:gemini-2.0-flash", unpriced="allow")
    history = replay(agent, Schedule(seed=1, events=(said,), models={"s1": {1: Fault(ModelFault.RESET)}}))
    assert judge(history).broken is None, "\n".join(history.lines())
