"""Writes that fail, and turns that are stopped while they write."""

import asyncio
from pathlib import Path
from typing import Literal

import msgspec
import pytest

from emonk import tool
from emonk.errors import InvalidConfig, StaleSession, Unavailable
from emonk.events import ToolReturned
from emonk.messages import ToolMessage
from emonk.records import UsageRow
from emonk.runtime.journal import Journal
from emonk.store.owners import enlist
from emonk.store.protocol import LEASE_SECONDS
from emonk.store.usage_protocol import UsageFilter
from emonk.testing.memory_store import MemoryDatabase
from emonk.testing.model import call
from emonk.testing.store_conformance.rig import SESSION, accept_and_claim, message
from emonk.testing.virtual_loop import SimClock, run
from tests.agent.weather import Gate, count_visit, kinds, log_of, weather_agent
from tests.runtime.stores import failing_store, until

LOCKED = Unavailable("locked by another process")


@pytest.mark.parametrize("error", [LOCKED, InvalidConfig("read-only")])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_write_that_fails_leaves_the_turn_to_be_resumed_with_one_reply(
    tmp_path: Path, number: int, error: Unavailable | InvalidConfig
) -> None:
    async def main() -> None:
        store = await failing_store(tmp_path)
        store.fail = lambda count: error if count == number else None
        visit = call("count_visit", city="Rome")
        agent, _ = weather_agent([visit, "one", visit, "two", visit, "three"], store)
        async with agent:
            with pytest.raises(type(error)):
                await agent.process_message("go", session_id="s", message_id="m")
            reply = await agent.process_message("go", session_id="s", message_id="m")
            assert reply.status == "done"
            log = kinds(await log_of(agent, "s"))
            assert log.count("user_message") == log.count("turn_finished") == 1
            assert log[-2:] == ["model_message", "turn_finished"]
        await store.aclose()

    asyncio.run(main())


def test_a_note_that_could_not_be_written_stops_the_turn_before_the_next_call_of_the_model(tmp_path: Path) -> None:
    async def main() -> None:
        store, gate = await failing_store(tmp_path), Gate()
        store.fail = lambda count: LOCKED if count == 1 else None
        agent, model = weather_agent([call("wait"), "never"], store, tools=[gate.tool()])
        async with agent:
            turn = asyncio.create_task(agent.process_message("go", session_id="s", message_id="m"))
            await gate.entered.wait()
            await until(lambda: store.commits)
            gate.opened.set()
            with pytest.raises(Unavailable, match="locked"):
                await turn
            assert len(model.requests) == 1
            assert kinds(await log_of(agent, "s")) == ["user_message"]
        await store.aclose()

    asyncio.run(main())


def test_a_result_that_is_not_unicode_does_not_hang_the_session(tmp_path: Path) -> None:
    async def main() -> None:
        @tool(risk="low", idempotent=True)
        def list_files() -> str:
            """Names as the system gives them."""
            return "caf\udce9.txt"

        agent, model = weather_agent(
            [call("list_files"), "listed"], f"sqlite:///{tmp_path / 'a.db'}", tools=[list_files]
        )
        async with agent:
            assert (await agent.process_message("list", session_id="s")).text == "listed"
        shown = model.requests[-1].messages[-1]
        assert isinstance(shown, ToolMessage)
        assert shown.results[0].content == "caf\\udce9.txt"

    asyncio.run(main())


def test_what_had_ended_keeps_its_result_and_what_was_cut_off_is_unknown(tmp_path: Path) -> None:
    async def main() -> None:
        gate = Gate()
        script = [[call("count_visit", city="Rome"), call("wait")]]
        tools = [count_visit, gate.tool(idempotent=False)]
        agent, _ = weather_agent(script, f"sqlite:///{tmp_path / 'a.db'}", tools=tools)
        async with agent:
            turn = asyncio.create_task(agent.process_message("go", session_id="s", user_id="ann"))
            await gate.entered.wait()
            assert await agent.cancel("s")
            assert (await turn).status == "cancelled"
            results = [event.result for event in await log_of(agent, "s") if isinstance(event, ToolReturned)]
        assert {result.name: (result.error, result.content[:12]) for result in results} == {
            "count_visit": (None, "ann went to "),
            "wait": ("outcome_unknown", "Whether this"),
        }

    asyncio.run(main())


def test_a_second_cancellation_changes_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        gate = Gate()
        agent, _ = weather_agent([call("wait"), "next"], f"sqlite:///{tmp_path / 'a.db'}", tools=[gate.tool()])
        async with agent:
            turn = asyncio.create_task(agent.process_message("go", session_id="s"))
            await gate.entered.wait()
            queued = asyncio.create_task(agent.process_message("queued", session_id="s"))
            assert await agent.cancel("s")
            await agent.cancel("s")
            assert (await turn).status == "cancelled"
            assert (await queued).text == "next"

    asyncio.run(main())


def usage_row(row_id: str, state: Literal["started", "completed"]) -> UsageRow:
    return UsageRow(
        row_id=row_id,
        agent=SESSION.agent,
        session_id=SESSION.session_id,
        user_id="ada",
        trace_id="t",
        purpose="summary",
        provider="gemini",
        model="g",
        state=state,
        started_at=1,
    )


def test_what_a_call_took_is_billed_also_by_who_has_lost_the_session() -> None:
    async def main(clock: SimClock) -> None:
        store = MemoryDatabase(clock).open()
        claimed = await accept_and_claim(store, message("m"), enlist())
        journal, row = Journal(store, claimed.lease, claimed.revision), usage_row("1", "started")
        journal.bill(row)
        await journal.flush()
        await clock.sleep(LEASE_SECONDS + 1)
        assert await store.claim(SESSION, enlist()) is not None
        journal.bill(msgspec.structs.replace(row, state="completed"))
        with pytest.raises(StaleSession):
            await journal.flush()
        journal.bill(usage_row("2", "completed"))
        await clock.sleep(1)
        assert [one.state for one in await store.usage_rows(UsageFilter())] == ["completed", "completed"]

    run(main)
