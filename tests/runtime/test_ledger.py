"""Every call of a provider has one row, however it ended."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from emonk import Agent
from emonk.costs import PriceOverride
from emonk.costs.calls import may_be_billed
from emonk.errors import (
    DeadlineExceeded,
    InvalidConfig,
    MalformedOutput,
    QuotaExhausted,
    RateLimited,
    Unavailable,
)
from emonk.events import TurnFinished
from emonk.records import Reply, SessionKey, Usage, UsageRow
from emonk.resilience.section import ComponentSection, ResilienceSection
from emonk.runtime.limits import Limits
from emonk.store.connect import connect
from emonk.store.usage_protocol import UsageFilter
from emonk.testing.model import BrokenOff, ScriptedModel, answer, call
from tests.agent.weather import get_weather

LEAD, WORKER = "gemini:gemini-2.5-pro", "gemini:gemini-2.0-flash"
AT_ONCE = ResilienceSection(models=ComponentSection(retries=1, first_delay=0))
PARIS = call("get_weather", city="Paris")


def agent_of(path: Path, model: Any, **settings: Any) -> Agent:
    settings = {"tools": [get_weather], "resilience": AT_ONCE} | settings
    return Agent("weather", model, store=f"sqlite:///{path / 'a.db'}", **settings)


async def rows_of(agent: Agent, **wanted: Any) -> list[UsageRow]:
    """The rows, the first started first."""
    return (await agent.store.usage_rows(UsageFilter(**wanted)))[::-1]


def told(path: Path, script: Iterable[Any], **settings: Any) -> tuple[Reply, list[UsageRow]]:
    """A turn with a priced model, and its rows."""

    async def main() -> tuple[Reply, list[UsageRow]]:
        async with agent_of(path, ScriptedModel(list(script), spec=WORKER), **settings) as agent:
            reply = await agent.process_message("Weather in Paris?", session_id="s", user_id="ann", message_id="m")
            return reply, await rows_of(agent)

    return asyncio.run(main())


def test_a_row_says_whose_call_it_was_and_what_it_cost(tmp_path: Path) -> None:
    reply, rows = told(tmp_path, [PARIS, "Sunny."])
    assert [row.state for row in rows] == ["completed", "completed"]
    assert sum(row.cost_usd or 0 for row in rows) == reply.cost_usd == Decimal("0.000006")
    row = rows[0]
    assert (row.agent, row.session_id, row.user_id, row.message_id) == ("weather", "s", "ann", "m")
    assert (row.purpose, row.role, row.provider, row.model, row.lead) == (
        "turn",
        "lead",
        "gemini",
        "gemini-2.0-flash",
        WORKER,
    )
    assert (row.trace_id, row.usage, row.estimate_usd) == (reply.trace_id, Usage(10, 5), None)
    assert (row.price["input"], row.price["output"], row.price["source"]) == ("0.1", "0.4", "genai-prices")


@pytest.mark.parametrize(
    ("error", "cost"),
    [
        (Unavailable("closed the connection", code="disconnected"), None),
        (DeadlineExceeded("fell silent"), None),
        (RateLimited("slow down"), Decimal(0)),
        (Unavailable("cannot reach it", code="unreachable"), Decimal(0)),
        (ConnectionResetError("reset"), None),
        (ConnectionRefusedError("refused"), Decimal(0)),
    ],
    ids=lambda value: getattr(value, "code", type(value).__name__),
)
def test_each_attempt_has_a_row_and_one_that_broke_off_has_no_known_cost(
    tmp_path: Path, error: Exception, cost: Decimal | None
) -> None:
    reply, rows = told(tmp_path, [error, "Sunny."])
    assert [(row.state, row.cost_usd, row.usage) for row in rows] == [
        ("failed", cost, Usage()),
        ("completed", Decimal("0.000003"), Usage(10, 5)),
    ]
    assert reply.cost_usd == (None if cost is None else Decimal("0.000003"))


def test_what_no_adapter_can_read_is_a_failed_call(tmp_path: Path) -> None:
    reply, rows = told(tmp_path, [MalformedOutput("no call"), "Sunny."], limits=Limits(usd=Decimal(1)))
    assert (reply.status, reply.cost_usd) == ("done", None)
    assert [(row.state, row.error, row.cost_usd is None) for row in rows] == [
        ("failed", "malformed_output", True),
        ("completed", "", False),
    ]


def test_an_error_status_is_never_billed() -> None:
    refused = Unavailable("503")
    assert may_be_billed(refused)
    refused.status = 503
    assert not may_be_billed(refused)
    assert not may_be_billed(InvalidConfig("no such model"))
    assert not may_be_billed(QuotaExhausted("used up"))
    assert may_be_billed(asyncio.CancelledError())


def test_models_are_told_apart_by_their_roles(tmp_path: Path) -> None:
    async def main() -> list[tuple[str, str, str, str]]:
        down = Unavailable("cannot reach it", code="unreachable")
        models = {
            "lead": ScriptedModel([down, down], spec=LEAD),
            "worker": ScriptedModel([down, down], spec=WORKER),
            "fallback": ScriptedModel(["Sunny."], spec="openai:gpt-4o"),
        }
        async with agent_of(tmp_path, models) as agent:
            assert (await agent.process_message("Weather?")).text == "Sunny."
            return [(row.role, row.model, row.lead, row.state) for row in await rows_of(agent)]

    rows = asyncio.run(main())
    assert sorted(rows) == [
        ("fallback", "gpt-4o", LEAD, "completed"),
        *[("lead", "gemini-2.5-pro", LEAD, "failed")] * 2,
        *[("worker", "gemini-2.0-flash", LEAD, "failed")] * 2,
    ]


async def _cancelled(agent: Agent, asked: asyncio.Event) -> None:
    turn = asyncio.create_task(agent.process_message("Weather?", session_id="s"))
    await asked.wait()
    await agent.cancel("s")
    assert (await turn).status == "cancelled"


async def _abandoned(agent: Agent, asked: asyncio.Event) -> None:
    turn = asyncio.create_task(agent.process_message("Weather?", session_id="s"))
    await asked.wait()
    await agent.aclose()
    with pytest.raises(Unavailable):
        await turn


async def _out_of_time(agent: Agent, _asked: asyncio.Event) -> None:
    reply = await agent.process_message("Weather?", session_id="s")
    assert (reply.status, reply.reason) == ("limit", "seconds")


@pytest.mark.parametrize("end", [_cancelled, _abandoned, _out_of_time])
def test_a_call_that_is_cut_off_has_its_row(tmp_path: Path, end: Callable[[Agent, asyncio.Event], Any]) -> None:
    async def main() -> None:
        asked = asyncio.Event()

        async def hang(_: object) -> str:
            asked.set()
            await asyncio.Event().wait()
            return ""

        async with agent_of(tmp_path, ScriptedModel([hang], spec=WORKER), limits=Limits(seconds=0.2)) as agent:
            await end(agent, asked)
        store = await connect(f"sqlite:///{tmp_path / 'a.db'}")
        (row,) = await store.usage_rows(UsageFilter())
        assert (row.state, row.error, row.cost_usd) == ("failed", "cut_off", None)
        await store.aclose()

    asyncio.run(main())


def test_a_stream_that_breaks_off_has_one_row(tmp_path: Path) -> None:
    async def main() -> None:
        broken = BrokenOff("It is ", Unavailable("broke off", code="interrupted"))
        async with agent_of(tmp_path, ScriptedModel([broken], spec=WORKER)) as agent:
            async for _ in agent.stream("Weather?", session_id="s"):
                continue
            (finished,) = [one.event for one in await agent.store.read(SessionKey("weather", "s"))][-1:]
            assert isinstance(finished, TurnFinished)
            assert finished.cost_usd is None
            (row,) = await rows_of(agent)
            assert (row.state, row.error, row.cost_usd) == ("failed", "interrupted", None)

    asyncio.run(main())


def test_what_never_left_and_what_rules_answer_has_no_row(tmp_path: Path) -> None:
    async def main() -> None:
        models = {"lead": ScriptedModel(["never asked"], spec=LEAD), "fallback": "offline"}
        async with agent_of(tmp_path, models) as agent:
            agent.guards.of("models", LEAD).breaker.open()
            await agent.process_message("get weather in Paris")
            assert await rows_of(agent) == []

    asyncio.run(main())


def test_a_task_is_billed_as_one(tmp_path: Path) -> None:
    async def main() -> None:
        async with agent_of(tmp_path, ScriptedModel(["Sunny."], spec=WORKER)) as agent:
            await agent.execute({"input": "Weather?"})
            assert [row.purpose for row in await rows_of(agent)] == ["execute"]

    asyncio.run(main())


def test_kill_9_during_a_call_leaves_its_started_row(tmp_path: Path, project: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    command = [sys.executable, "-m", "tests.runtime.calling", url]

    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=project) as victim:
        assert victim.stdout is not None
        assert victim.stdout.readline() == b"asked\n"
        assert victim.stdout.readline() == b"written\n"
        victim.kill()

    async def main() -> None:
        async with agent_of(tmp_path, ScriptedModel(["Sunny."], spec=WORKER)) as agent:
            reply = await agent.resume("s")
            assert reply is not None
            first, second = await rows_of(agent, message_id="m")
            assert (first.state, first.cost_usd, first.usage) == ("started", None, Usage())
            assert (second.state, second.cost_usd) == ("completed", reply.cost_usd)
            (total,) = await agent.store.usage_totals(UsageFilter())
            assert (total.calls, total.unfinished, total.unpriced) == (2, 1, 1)

    asyncio.run(main())


@pytest.mark.parametrize("tokens", [10**10, 10**14, 10**20])
def test_tokens_that_no_call_has_are_no_bill_and_stop_no_turn(tmp_path: Path, tokens: int) -> None:
    reply, rows = told(tmp_path, [answer("Sunny.", usage=Usage(tokens, 5)), "never asked"])
    assert (reply.status, reply.text, reply.cost_usd) == ("done", "Sunny.", None)
    assert [(row.state, row.usage, row.cost_usd, row.price) for row in rows] == [("completed", Usage(), None, {})]


def test_a_cost_that_no_store_keeps_is_not_known(tmp_path: Path) -> None:
    prices = [PriceOverride(model=WORKER, input=1e9, output=1)]
    reply, rows = told(tmp_path, [answer("Sunny.", usage=Usage(10**7, 5))], prices=prices)
    assert (reply.status, reply.cost_usd) == ("done", None)
    assert [(row.usage, row.cost_usd) for row in rows] == [(Usage(10**7, 5), None)]


def test_an_answer_that_tells_no_tokens_has_no_known_cost_unless_they_are_free(tmp_path: Path) -> None:
    silent = answer("Sunny.", usage=Usage())
    assert told(tmp_path, [silent])[0].cost_usd is None
    (tmp_path / "free").mkdir()
    free = [PriceOverride(model=WORKER, input=0, output=0)]
    assert told(tmp_path / "free", [silent], prices=free)[0].cost_usd == 0


def test_half_a_character_in_the_name_of_a_model_stops_no_turn(tmp_path: Path) -> None:
    named = msgspec.structs.replace(answer("Sunny."), model="gemini-2.0-flash-\ud83d")
    reply, rows = told(tmp_path, [named, "never asked"])
    assert (reply.status, reply.text) == ("done", "Sunny.")
    assert [row.cost_usd for row in rows] == [reply.cost_usd]
