"""A process to be killed: `python -m tests.runtime.calling STORE` hangs in a call, and says when its row is there."""

import asyncio
import sys

from emonk import Agent
from emonk.store.connect import connect
from emonk.store.protocol import Store
from emonk.store.usage_protocol import UsageFilter
from emonk.testing.model import ScriptedModel


def say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


async def written(store: Store) -> None:
    """The row of the call is durable."""
    while not await store.usage_rows(UsageFilter(message_id="m")):  # noqa: ASYNC110 - the store tells nobody
        await asyncio.sleep(0)


async def main(url: str) -> None:
    store = await connect(url)

    async def hang(_: object) -> str:
        say("asked")
        await written(store)
        say("written")
        await asyncio.Event().wait()
        return ""

    async with Agent("weather", ScriptedModel([hang], spec="gemini:gemini-2.0-flash"), store=store) as agent:
        await agent.process_message("Weather?", session_id="s", message_id="m")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
