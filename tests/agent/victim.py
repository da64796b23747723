"""A process to be killed: `python -m tests.agent.victim STORE` accepts a message and hangs in its tool."""

import asyncio
import sys

from emonk import tool
from emonk.testing.model import call
from tests.agent.weather import weather_agent


@tool(risk="low", idempotent=True)
async def hang() -> str:
    """Say that it began, and never end."""
    sys.stdout.write("in the tool\n")
    sys.stdout.flush()
    await asyncio.Event().wait()
    return ""


async def main(store: str) -> None:
    agent, _ = weather_agent([call("hang")], store, tools=[hang])
    async with agent:
        async for _ in agent.stream("go", session_id="s", message_id="m"):
            continue


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
