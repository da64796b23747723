"""A process to be killed: `python -m tests.effects.victim STORE REMOTE POINT`.

It says `here`, and stands still, where a commit would write a row of the state POINT.
"""

import asyncio
import sys
from collections.abc import Sequence
from typing import Any

from emonk.messages import ToolMessage
from emonk.models.protocol import ModelRequest
from emonk.records import Lease
from emonk.store.connect import connect
from emonk.store.protocol import Operation, Store
from emonk.store.record_protocol import Put
from emonk.testing.model import call
from tests.effects.outside import posting_agent
from tests.effects.remote import remote_tool


def answer(request: ModelRequest) -> Any:
    """One call, then the end."""
    done = any(isinstance(message, ToolMessage) for message in request.messages)
    return "well" if done else call("post", text="hello")


def hold(store: Store, point: str) -> None:
    """Have the store stand still there."""
    inner = store.commit

    def commit(operations: Sequence[Operation], *, fence: Lease, expected_revision: int) -> "asyncio.Future[int]":
        if any(isinstance(one, Put) and one.state == point for one in operations):
            sys.stdout.write("here\n")
            sys.stdout.flush()
            return asyncio.get_running_loop().create_future()
        return inner(operations, fence=fence, expected_revision=expected_revision)

    setattr(store, "commit", commit)  # noqa: B010 - this one store only


async def main(url: str, remote: str, point: str) -> None:
    store = await connect(url)
    hold(store, point)
    agent, _ = posting_agent(answer, store, [remote_tool(remote, looks=False)])
    async with agent:
        await agent.process_message("go", session_id="s", message_id="m")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
