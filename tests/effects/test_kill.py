"""A real process is killed around an effect on a real service, on every database that processes share."""

import asyncio
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from emonk.effects import unfinished
from emonk.events import ToolReturned
from emonk.records import EffectState, SessionKey
from emonk.store.connect import connect
from emonk.turns import Pump
from tests.effects.outside import posting_agent, rows
from tests.effects.remote import Remote, remote_tool
from tests.effects.victim import answer

SESSION = SessionKey("poster", "s")

POINTS = {
    "before sending is durable": "sending",
    "before the service acts": "request",
    "before the service answers": "acted",
    "before done is durable": "done",
}


async def kill_at(point: str, url: str, remote: Remote, project: Path) -> None:
    remote.holds = point
    command = [sys.executable, "-m", "tests.effects.victim", url, remote.url, point]
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, cwd=project)
    assert process.stdout is not None
    said = asyncio.create_task(process.stdout.readline())
    reached = asyncio.create_task(remote.reached.wait())
    await asyncio.wait({said, reached}, return_when=asyncio.FIRST_COMPLETED, timeout=60)
    process.kill()
    await process.wait()
    assert remote.reached.is_set() or said.result() == b"here\n"
    reached.cancel()
    await said
    remote.let_go()


@pytest.mark.parametrize("point", POINTS.values(), ids=list(POINTS))
@pytest.mark.parametrize("looks", [True, False], ids=["it can look", "it cannot look"])
def test_the_service_and_the_ledger_agree(url: str, point: str, looks: bool, project: Path) -> None:
    async def main() -> None:
        async with Remote() as remote:
            await kill_at(point, url, remote, project)
            store = await connect(url)
            agent, _ = posting_agent(answer, store, [remote_tool(remote.url, looks=looks)])
            async with agent, Pump([agent]) as pump:
                await pump.once()
                reply = await agent.process_message("go", session_id="s", message_id="m")
                assert (reply.status, reply.text) == ("done", "well")
            (row,) = await rows(store)
            (result,) = [
                logged.event.result for logged in await store.read(SESSION) if isinstance(logged.event, ToolReturned)
            ]
            left = await unfinished(store, SESSION)
            await store.aclose()
        if looks or point == "sending":
            assert remote.log == [row.key]
            assert (row.state, row.remote_id, left) == (EffectState.DONE, "post-1", [])
            assert row.attempts == (2 if point == "request" else 1)
            assert (result.content, result.error) == ("posted as post-1", None)
        else:
            assert remote.log == ([] if point == "request" else [row.key])
            assert (row.state, row.attempts, left) == (EffectState.UNKNOWN, 1, [row])
            assert result.error == "outcome_unknown"

    asyncio.run(main())
