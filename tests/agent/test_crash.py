"""A process that is killed in the middle of a turn."""

import asyncio
import subprocess
import sys
from pathlib import Path

from emonk import tool
from emonk.turns import Pump
from tests.agent.weather import kinds, log_of, weather_agent


@tool(risk="low", idempotent=True)
async def hang() -> str:
    """Not any more."""
    return "ran again"


def test_the_next_process_takes_over_at_once_and_the_user_gets_one_reply(tmp_path: Path, project: Path) -> None:
    store = f"sqlite:///{tmp_path / 'weather.db'}"
    command = [sys.executable, "-m", "tests.agent.victim", store]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=project) as victim:
        assert victim.stdout is not None
        assert victim.stdout.readline() == b"in the tool\n"
        victim.kill()

    async def main() -> None:
        agent, model = weather_agent(["all is well"], store, tools=[hang])
        async with agent, Pump([agent]) as pump:
            await pump.once()
            reply = await agent.process_message("go", session_id="s", message_id="m")
            assert (reply.status, reply.text) == ("done", "all is well")
            log = kinds(await log_of(agent, "s"))
        assert log.count("user_message") == log.count("turn_finished") == 1
        assert len(model.requests) <= 2

    asyncio.run(main())
