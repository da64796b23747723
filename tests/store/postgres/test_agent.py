"""An agent whose sessions are in PostgreSQL."""

import asyncio
import subprocess
import sys
from pathlib import Path

from emonk import tool
from emonk.testing.model import call
from emonk.turns import Pump
from tests.agent.weather import kinds, log_of, weather_agent


@tool(risk="low", idempotent=True)
async def hang() -> str:
    """Not any more."""
    return "ran again"


def test_conversation_goes_on_with_the_next_agent(database: str) -> None:
    async def main() -> None:
        agent, _ = weather_agent([call("get_weather", city="Paris"), "Sunny."], database)
        async with agent:
            reply = await agent.process_message("Weather in Paris?", session_id="s", message_id="m1")
            assert (reply.status, reply.text) == ("done", "Sunny.")
        agent, model = weather_agent(["Also sunny."], database)
        async with agent:
            assert (await agent.process_message("Again", session_id="s", message_id="m1")).text == "Sunny."
            assert (await agent.process_message("And Rome?", session_id="s")).text == "Also sunny."
            assert kinds(await log_of(agent, "s")).count("user_message") == 2
        assert "Paris" in str(model.requests[0].messages)

    asyncio.run(main())


def test_two_agents_share_a_session_and_answer_each_message_once(database: str) -> None:
    async def main() -> None:
        one, _ = weather_agent(["sunny"] * 8, database)
        other, _ = weather_agent(["sunny"] * 8, database)
        async with one, other, Pump([one]), Pump([other]):
            sent = [(one, other)[n % 2].process_message(f"m{n}", session_id="s", message_id=f"m{n}") for n in range(8)]
            replies = await asyncio.gather(*sent)
            assert [reply.message_id for reply in replies] == [f"m{n}" for n in range(8)]
            assert {reply.status for reply in replies} == {"done"}
            log = kinds(await log_of(one, "s"))
            assert log == ["user_message", "model_message", "turn_finished"] * 8

    asyncio.run(main())


def test_turn_of_a_killed_process_is_taken_over_at_once(database: str, project: Path) -> None:
    command = [sys.executable, "-m", "tests.agent.victim", database]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=project) as victim:
        assert victim.stdout is not None
        assert victim.stdout.readline() == b"in the tool\n"
        victim.kill()

    async def main() -> None:
        agent, model = weather_agent(["all is well"], database, tools=[hang])
        async with agent, Pump([agent]) as pump:
            await pump.once()
            reply = await agent.process_message("go", session_id="s", message_id="m")
            assert (reply.status, reply.text) == ("done", "all is well")
            log = kinds(await log_of(agent, "s"))
        assert log.count("user_message") == log.count("turn_finished") == 1
        assert len(model.requests) <= 2

    asyncio.run(main())
