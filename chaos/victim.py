"""A process to be killed: `python -m chaos.victim STORE AGENT REMOTE [KILL_AT]` runs an agent and its pump.

It first runs what an earlier process has left, then reads messages from standard input, one JSON object each. It
writes a line for each thing that happens: `settled` once nothing is left, `accepted ID`, `reply ID STATUS TEXT`,
`killed BOUNDARY`, and at the end of its input, once all is answered, `passed COUNT`.
"""

import asyncio
import os
import sys
from contextlib import AsyncExitStack
from typing import Any, cast

import msgspec

from chaos.errands import Errand
from chaos.points import Points, WatchedModel, WatchedStore
from chaos.remote import Caller
from chaos.tools import tools
from emonk import Agent
from emonk.models.create import create
from emonk.runtime.progress import MessageAccepted, TurnReplied
from emonk.store.connect import connect
from emonk.store.protocol import Store
from emonk.turns import Pump

POLL_SECONDS = 0.1
LOOK_SECONDS = 0.01


def say(*words: object) -> None:
    """A line that is out before anything else happens."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


async def send(agent: Agent, errand: Errand) -> None:
    """Stream a message's turn."""
    async for event in agent.stream(errand.text, session_id=errand.session_id, message_id=errand.message_id):
        match event:
            case MessageAccepted(message_id=message_id):
                say("accepted", message_id)
            case TurnReplied(reply=reply):
                say("reply", reply.message_id, reply.status, reply.text)
            case _:
                continue


async def main(url: str, name: str, remote: str, kill_at: str = "") -> None:
    """Run until the input ends, or until the boundary."""
    points = Points(int(kill_at) if kill_at else None)
    store = await connect(url)
    watched = cast("Store", WatchedStore(store, points))
    model: Any = WatchedModel(create("gemini:gemini-2.0-flash"), points)
    agent = Agent(name, model, store=watched, tools=tools(Caller(remote), points), unpriced="allow")
    async with AsyncExitStack() as stack:
        stack.push_async_callback(store.aclose)
        stack.push_async_callback(model.aclose)
        await stack.enter_async_context(agent)
        await stack.enter_async_context(Pump([agent], poll_seconds=POLL_SECONDS))
        await _settle(store, name)
        say("settled")
        sent: list[asyncio.Task[None]] = []
        while line := await asyncio.to_thread(sys.stdin.readline):
            sent.append(asyncio.create_task(send(agent, msgspec.json.decode(line, type=Errand))))
            await asyncio.sleep(0)
        await asyncio.gather(*sent)
        await _settle(store, name)
        say("passed", len(points.passed))


async def _settle(store: Store, agent: str) -> None:
    while await _unfinished(store, agent):  # what another process has left is seen in the database only
        await asyncio.sleep(LOOK_SECONDS)


async def _unfinished(store: Store, agent: str) -> bool:
    """Whether some session's inbox holds a message that has no reply; those that run are not due."""
    for session in await store.sessions(agent=agent, limit=1000):
        log = await store.read(session.key)
        said = sum(type(logged.event).__name__ == "UserSaid" for logged in log)
        ended = sum(type(logged.event).__name__ in {"TurnFinished", "TurnCancelled"} for logged in log)
        if said != ended:
            return True
    return bool(await store.due(agent))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
