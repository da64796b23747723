"""Callers that leave, and an agent that stops, at awkward moments."""

import asyncio
from pathlib import Path

import pytest

from emonk import tool
from emonk.errors import Unavailable
from emonk.events import InboxItem
from emonk.records import Owner
from emonk.store.protocol import INBOX_LIMIT, Accepted
from emonk.testing.model import call
from tests.agent.weather import Gate, kinds, log_of, weather_agent
from tests.runtime.stores import FailingStore, failing_store


class SlowStore(FailingStore):
    """Holds back the answer to the next `accept` once it is told to."""

    held: asyncio.Event | None = None
    accepting: asyncio.Event

    async def accept(self, item: InboxItem, *, owner: Owner | None = None) -> Accepted:
        accepted = await super().accept(item, owner=owner)
        if self.held is not None:
            self.accepting.set()
            await self.held.wait()
        return accepted


async def slow_store(directory: Path) -> SlowStore:
    store = await failing_store(directory)
    store.__class__ = SlowStore
    assert isinstance(store, SlowStore)
    store.accepting = asyncio.Event()
    return store


def test_an_agent_that_stops_while_it_accepts_runs_nothing_any_more(tmp_path: Path) -> None:
    async def main() -> None:
        store, gate = await slow_store(tmp_path), Gate()
        agent, _ = weather_agent([call("wait")], store, tools=[gate.tool()])
        async with agent:
            store.held = asyncio.Event()
            message = asyncio.create_task(agent.process_message("go", session_id="s", message_id="m"))
            await store.accepting.wait()
        store.held.set()
        with pytest.raises(Unavailable, match="stopping"):
            await message
        store.held = None
        again, _ = weather_agent(["kept"], store)
        async with again:
            assert (await again.process_message("go", session_id="s", message_id="m")).text == "kept"
        assert gate.runs == 0
        await store.aclose()

    asyncio.run(main())


def test_a_refused_message_whose_caller_leaves_costs_nothing_more(tmp_path: Path) -> None:
    async def main() -> None:
        store, gate = await slow_store(tmp_path), Gate()
        agent, _ = weather_agent([call("wait"), *["ok"] * (INBOX_LIMIT + 1)], store, tools=[gate.tool()])
        async with agent:
            first = asyncio.create_task(agent.process_message("go", session_id="s"))
            await gate.entered.wait()
            waiting = [agent.stream(f"q{number}", session_id="s") for number in range(INBOX_LIMIT)]
            for stream in waiting:
                await anext(stream)
            store.held = asyncio.Event()
            refused = asyncio.create_task(agent.process_message("more", session_id="s", message_id="refused"))
            await store.accepting.wait()
            refused.cancel()
            await asyncio.gather(refused, return_exceptions=True)
            store.held = None
            gate.opened.set()
            assert (await first).status == "done"
            for stream in waiting:
                assert [event async for event in stream]
            assert kinds(await log_of(agent, "s")).count("user_message") == INBOX_LIMIT + 1
            before = store.commits
            for _ in range(100):
                await asyncio.sleep(0)
            assert store.commits == before
        await store.aclose()

    asyncio.run(main())


def test_a_note_of_a_tool_in_a_thread_reaches_the_watcher_while_it_runs(tmp_path: Path) -> None:
    import threading  # noqa: PLC0415 - only this test has a thread

    from emonk import Context  # noqa: PLC0415 - as above
    from emonk.runtime.progress import ToolEnded, ToolNote  # noqa: PLC0415 - as above

    seen = threading.Event()

    @tool(risk="low", idempotent=True)
    def slow(ctx: Context) -> str:
        """Say how far it is, and wait until that was seen."""
        ctx.progress("half way")
        return "seen" if seen.wait(20) else "not seen"

    async def main() -> None:
        agent, _ = weather_agent([call("slow"), "done"], f"sqlite:///{tmp_path / 'a.db'}", tools=[slow])
        async with agent:
            async for event in agent.stream("go"):
                if isinstance(event, ToolNote):
                    assert event.text == "half way"
                    seen.set()
                if isinstance(event, ToolEnded):
                    assert event.result.content == "seen"

    asyncio.run(main())


def test_a_tool_that_exits_or_cancels_itself_fails_and_nothing_else_does(tmp_path: Path) -> None:
    @tool(risk="low", idempotent=True)
    def leave() -> str:
        """Call sys.exit, as argparse does."""
        raise SystemExit(2)

    @tool(risk="low", idempotent=True)
    async def give_up() -> str:
        """Something inside was cancelled."""
        raise asyncio.CancelledError

    class WordlessError(Exception):
        def __str__(self) -> str:
            raise ValueError

    @tool(risk="low", idempotent=True)
    async def stammer() -> str:
        """Fail without being able to say why."""
        raise WordlessError

    async def main() -> None:
        script = [call("leave"), call("give_up"), call("stammer"), "still here"]
        agent, _ = weather_agent(script, f"sqlite:///{tmp_path / 'a.db'}", tools=[leave, give_up, stammer])
        async with agent:
            reply = await agent.process_message("go")
            assert (reply.text, reply.steps) == ("still here", 4)

    asyncio.run(main())
