"""What users see of budgets."""

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from emonk import Agent
from emonk.agent.rerun import rerun
from emonk.costs import Budgets, PriceOverride
from emonk.errors import BudgetExceeded, InvalidConfig, Unavailable, UnknownPrice
from emonk.events import Summarised
from emonk.models.protocol import ModelRequest, ModelResponse
from emonk.observe.alerts import Alert, Alerts
from emonk.records import Reply, SessionKey, Usage
from emonk.runtime.compression.section import ContextSection
from emonk.runtime.compression.summary import RULES
from emonk.runtime.limits import Limits
from emonk.runtime.progress import BudgetLow
from emonk.store.connect import connect
from emonk.store.protocol import Store
from emonk.store.usage_protocol import UsageFilter
from emonk.testing.clock import ManualClock
from emonk.testing.model import ScriptedModel, answer, call
from tests.agent.weather import get_weather

SPEC = "openai:mine"
DEAR = (PriceOverride(model=SPEC, input=0, output=1000),)
"""An answer of 100 tokens costs 0.10 USD; one of 500, as is expected while nothing is known, 0.50."""

TENTH = answer("Sunny.", usage=Usage(10, 100))


class Unread:
    """A store whose bill cannot be read while there is an `error`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.error: Exception | None = Unavailable("the bill cannot be read")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def usage_totals(self, *wanted: Any, **by: Any) -> Any:
        if self.error is not None:
            raise self.error
        return await self._store.usage_totals(*wanted, **by)


def agent_of(path: Path, script: Any, **settings: Any) -> Agent:
    settings = {"prices": DEAR, "store": f"sqlite:///{path / 'a.db'}"} | settings
    return Agent("weather", ScriptedModel(script, spec=SPEC), **settings)


def tenth(_: ModelRequest) -> ModelResponse:
    return TENTH


def usd(amount: str) -> Decimal:
    return Decimal(amount)


@pytest.mark.parametrize(
    ("budgets", "other", "name"),
    [
        ({"session_usd": usd("0.8")}, {"session_id": "s2"}, "session_usd"),
        ({"user_day_usd": usd("0.8")}, {"user_id": "bob"}, "user_day_usd"),
        ({"agent_month_usd": usd("0.8")}, None, "agent_month_usd"),
    ],
)
def test_the_call_that_would_exceed_a_budget_is_not_made(
    tmp_path: Path, budgets: dict[str, Decimal], other: dict[str, str] | None, name: str
) -> None:
    async def main() -> None:
        clock, told = ManualClock(), list[Alert]()
        alerts = Alerts([told.append])
        async with agent_of(tmp_path, tenth, budgets=Budgets(**budgets), clock=clock, alerts=alerts) as agent:
            spent = Decimal(0)
            replies: list[Reply] = []
            for _ in range(16):
                reply = await agent.process_message("Weather?", session_id="s1", user_id="ann")
                replies.append(reply)
                spent += reply.cost_usd or 0
            last = replies[-1]
            assert (last.status, last.reason, last.error) == ("limit", name, "BudgetExceeded")
            assert " 0.80 USD" in last.text
            assert f"(budgets.{name})" in last.text
            assert usd("0.3") < spent <= usd("0.8")
            assert ("It begins anew at" in last.text) == (name != "session_usd")
            (row, *_) = await agent.store.usage_rows(UsageFilter())
            assert row.state == "completed"
            assert row.estimate_usd is not None
            if other:
                fine = await agent.process_message("Weather?", **({"session_id": "s9", "user_id": "ann"} | other))
                assert fine.status == "done"
            if name != "session_usd":
                await clock.advance(31 * 86_400)
                assert (await agent.process_message("Weather?", session_id="s1", user_id="ann")).status == "done"
        await alerts.aclose()
        assert [alert.cause.split()[:2] for alert in told] == [["budget_low", name]]

    asyncio.run(main())


def test_the_limit_of_a_turn_stops_before_the_call_that_would_exceed_it(tmp_path: Path) -> None:
    async def main() -> None:
        def step(_: ModelRequest) -> ModelResponse:
            return answer(tool_calls=[call("get_weather", city="Paris")], usage=Usage(10, 100))

        settings: dict[str, Any] = {"tools": [get_weather], "limits": Limits(usd=usd("0.65"))}
        async with agent_of(tmp_path, step, **settings) as agent:
            reply = await agent.process_message("Weather?")
            assert (reply.status, reply.reason) == ("limit", "usd")
            assert reply.cost_usd is not None
            assert usd("0.1") <= reply.cost_usd <= usd("0.65")

    asyncio.run(main())


def test_a_long_answer_of_one_user_locks_nobody_out(tmp_path: Path) -> None:
    async def main() -> None:
        long = iter([3000])

        def sometimes(_: ModelRequest) -> ModelResponse:
            return answer("Sunny.", usage=Usage(10, next(long, 10)))

        settings: dict[str, Any] = {"budgets": Budgets(user_day_usd=usd("1")), "clock": (clock := ManualClock())}
        async with agent_of(tmp_path, sometimes, **settings) as agent:
            statuses = [
                (await agent.process_message("Weather?", user_id=user)).status
                for user in ("ann", "ann", "bob", "bob", "eve")
            ]
            assert statuses == ["done", "limit", "done", "done", "done"]
            await clock.advance(86_400)
            assert (await agent.process_message("Weather?", user_id="ann")).status == "done"

    asyncio.run(main())


def test_a_limit_that_is_no_decimal_counts_as_it_is_written(tmp_path: Path) -> None:
    async def main() -> None:
        number: Any = 0.65
        assert Limits(usd=number).usd == usd("0.65")
        async with agent_of(tmp_path, tenth, limits=Limits(usd=number)) as agent:
            assert (await agent.process_message("Weather?")).status == "done"
        for wrong in ("0.5", True, float("nan"), 0):
            with pytest.raises(InvalidConfig, match=r"limits\.usd"):
                Limits(usd=wrong)  # pyright: ignore[reportArgumentType]

    asyncio.run(main())


def test_turns_at_once_spend_no_more_than_the_budget(tmp_path: Path) -> None:
    async def main() -> None:
        async def slowly(_: object) -> Any:
            await asyncio.sleep(0)
            return answer("Sunny.", usage=Usage(10, 500))

        async with agent_of(tmp_path, slowly, budgets=Budgets(agent_month_usd=usd("2"))) as agent:
            turns = [agent.process_message("Weather?", session_id=f"s{number}") for number in range(10)]
            replies = await asyncio.gather(*turns)
            assert sorted(reply.status for reply in replies) == ["done"] * 4 + ["limit"] * 6
            assert sum(reply.cost_usd or 0 for reply in replies) == 2

    asyncio.run(main())


def test_who_watches_is_told_once_that_a_budget_is_low(tmp_path: Path) -> None:
    async def main() -> None:
        def third(_: ModelRequest) -> ModelResponse:
            return answer("Sunny.", usage=Usage(10, 300))

        async with agent_of(tmp_path, third, budgets=Budgets(session_usd=usd("1.1"))) as agent:
            told = [
                event
                for _ in range(4)
                async for event in agent.stream("Weather?", session_id="s")
                if isinstance(event, BudgetLow)
            ]
        (low,) = told
        assert low.name == "session_usd"
        assert low.text.endswith("of the 1.10 USD are used that this session may cost (budgets.session_usd)")

    asyncio.run(main())


def test_a_summary_counts_and_is_not_asked_for_when_it_would_cost_too_much(tmp_path: Path) -> None:
    def script(request: ModelRequest) -> ModelResponse:
        return answer("word " * 50, usage=Usage(10, 200 if request.instructions == RULES else 1))

    async def main() -> None:
        settings: dict[str, Any] = {
            "budgets": Budgets(session_usd=usd("4.6")),  # a summary may have 4,096 tokens
            "context": ContextSection(budget=1000),
        }
        async with agent_of(tmp_path, script, **settings) as agent:
            for _ in range(40):
                reply = await agent.process_message("Tell me more. " * 40, session_id="s")
                assert reply.status == "done"
            log = [one.event for one in await agent.store.read(SessionKey("weather", "s"))]
            made = [event for event in log if isinstance(event, Summarised)]
            rows = await agent.store.usage_rows(UsageFilter(purpose="summary"))
            (total,) = await agent.store.usage_totals(UsageFilter())
            assert 0 < len(rows) == sum(not event.reason for event in made) < len(made)
            assert "budgets.session_usd" in made[-1].reason
            assert usd("0.2") < total.cost_usd <= usd("4.6")

    asyncio.run(main())


def test_a_task_that_exceeds_a_budget_raises_that(tmp_path: Path) -> None:
    async def main() -> None:
        async with agent_of(tmp_path, [], budgets=Budgets(agent_month_usd=usd("0.1"))) as agent:
            with pytest.raises(BudgetExceeded) as raised:
                await agent.execute({"input": "Weather?"})
            assert raised.value.code == "agent_month_usd"
            assert await agent.store.usage_rows(UsageFilter()) == []

    asyncio.run(main())


def test_a_model_without_a_price_has_no_budget_unless_that_is_allowed(tmp_path: Path) -> None:
    async def main() -> None:
        budgets = Budgets(session_usd=usd("1"))
        with pytest.raises(UnknownPrice) as caught:
            await agent_of(tmp_path, ["hi"], budgets=budgets, prices=()).start()
        assert "`budgets` want a price: with `unpriced: allow` it starts" in caught.value.hint
        assert "limits.usd" not in caught.value.hint
        async with agent_of(
            tmp_path, ["hi"], budgets=budgets, prices=(), unpriced="allow", store=f"sqlite:///{tmp_path / 'b.db'}"
        ) as agent:
            assert (await agent.process_message("hi")).status == "done"

    asyncio.run(main())


def test_a_model_without_a_price_is_told_with_the_names_near_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        monkeypatch.setenv("GEMINI_API_KEY", "any")
        async with Agent("a", "gemini:gemini-3.5-flush", store=f"sqlite:///{tmp_path / 'a.db'}") as agent:
            (notice,) = agent.notices
            assert notice.startswith("no price is known for gemini:gemini-3.5-flush: known names near it: ")
            assert "gemini-3.5-flash" in notice
            assert "its costs are shown as unknown" in notice

    asyncio.run(main())


def test_no_total_is_read_without_a_budget(tmp_path: Path) -> None:
    async def main() -> None:
        async with agent_of(tmp_path, tenth, limits=Limits(usd=usd("1"))) as agent:
            store: Any = agent.store

            def never(*_: object, **__: object) -> None:
                raise AssertionError("nobody asked")

            store.usage_totals = never
            assert (await agent.process_message("hi")).status == "done"
            del store.usage_totals

    asyncio.run(main())


def test_an_agent_file_has_budgets(tmp_path: Path) -> None:
    file = tmp_path / "agent.yaml"
    text = "agent:\n  name: a\n  llm: {model: offline}\n  budgets:\n    session_usd: 0.5\n"
    file.write_text(text)
    assert Agent.from_file(file).name == "a"
    file.write_text(text.replace("0.5", "-1"))
    with pytest.raises(InvalidConfig, match="session_usd"):
        Agent.from_file(file)


def test_a_rerun_keeps_within_the_budgets_of_the_agent(tmp_path: Path) -> None:
    async def main() -> None:
        async with agent_of(tmp_path, tenth, budgets=Budgets(agent_month_usd=usd("0.75"))) as agent:
            for number in range(3):
                reply = await agent.process_message("Weather?", session_id="s", message_id=f"m{number}")
                assert reply.status == "done"
            key = SessionKey("weather", "s")
            session, events = await agent.store.session(key), await agent.store.read(key)
            assert session is not None
            turns = [turn async for turn in rerun(agent, session, events, billed_in=agent.store)]
            assert [turn.new.status for turn in turns] == ["limit"] * 3
            assert await agent.store.usage_rows(UsageFilter(purpose="rerun")) == []

    asyncio.run(main())


def test_a_refusal_is_no_warning_and_leaves_the_real_one_to_come(tmp_path: Path) -> None:
    async def main() -> None:
        told = list[Alert]()
        alerts = Alerts([told.append])
        settings: dict[str, Any] = {
            "budgets": Budgets(agent_month_usd=usd("2")),
            "prices": [PriceOverride(model=SPEC, input=100, output=1000)],
            "alerts": alerts,
        }
        async with agent_of(tmp_path, tenth, **settings) as agent:
            replies = [await agent.process_message("Weather?") for _ in range(6)]
            dear = await agent.process_message("Weather? " * 10_000)
            assert (dear.status, told) == ("limit", [])
            while replies[-1].status == "done":
                replies.append(await agent.process_message("Weather?"))
        await alerts.aclose()
        assert [alert.cause for alert in told] == ["budget_low agent_month_usd"]

    asyncio.run(main())


def test_a_bill_that_cannot_be_read_is_an_error_of_the_store_and_no_models(tmp_path: Path) -> None:
    async def main() -> None:
        model = ScriptedModel(tenth, spec=SPEC)
        store = await connect(f"sqlite:///{tmp_path / 'a.db'}")
        faulty: Any = Unread(store)
        settings: dict[str, Any] = {"prices": DEAR, "budgets": Budgets(session_usd=usd("1"))}
        async with Agent("weather", model, store=faulty, **settings) as agent:
            with pytest.raises(Unavailable, match="the bill cannot be read"):
                await agent.process_message("Weather?", session_id="s", message_id="m")
            assert model.requests == []
            faulty.error = None
            reply = await agent.process_message("Weather?", session_id="s", message_id="m")
            assert (reply.status, len(model.requests)) == ("done", 1)
        await store.aclose()

    asyncio.run(main())
