"""Each call of a router has its row."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from emonk import CostTracker, MultiModelRouter
from emonk.costs import price
from emonk.errors import InvalidConfig, MalformedOutput, MissingCredential, RateLimited, Unavailable
from emonk.messages import user
from emonk.models import Outcome
from emonk.models.protocol import ModelRequest
from emonk.records import Usage, UsageRow
from emonk.resilience.section import ComponentSection, ResilienceSection
from emonk.store.connect import connect
from emonk.store.usage_protocol import UsageFilter
from emonk.testing.clock import ManualClock
from emonk.testing.model import ScriptedModel, answer

LEAD, WORKER = "gemini:gemini-2.5-pro", "gemini:gemini-2.5-flash"
ONE_RETRY = ResilienceSection(models=ComponentSection(retries=1, first_delay=0))
EMPTY = answer(outcome=Outcome.EMPTY, usage=Usage(7, 0))


def rows_of(tmp_path: Path, task: Any, lead: Sequence[Any], worker: Sequence[Any] = (), **more: Any) -> list[UsageRow]:
    """The rows that a task leaves, whatever becomes of it."""

    async def main() -> list[UsageRow]:
        store = await connect(f"sqlite:///{tmp_path / 'bill.db'}")
        models = {"lead": ScriptedModel(lead, spec=LEAD)}
        if worker:
            models["worker"] = ScriptedModel(worker, spec=WORKER)
        async with MultiModelRouter(models, tracker=CostTracker(store), resilience=ONE_RETRY, **more) as router:
            await asyncio.gather(router.route(task, user_id="ada", session_id="s1"), return_exceptions=True)
        rows = sorted(await store.usage_rows(UsageFilter()), key=lambda row: row.started_at)
        await store.aclose()
        return rows

    return asyncio.run(main())


def test_a_call_has_a_row_with_its_user_model_price_and_what_the_lead_would_have_been(tmp_path: Path) -> None:
    usage = Usage(1000, 100)
    (row,) = rows_of(tmp_path, "hi", ["never"], [answer("yes", usage=usage)])
    assert (row.user_id, row.session_id, row.purpose, row.role) == ("ada", "s1", "route", "worker")
    assert (f"{row.provider}:{row.model}", row.lead, row.state) == (WORKER, LEAD, "completed")
    assert (row.usage, row.cost_usd) == (usage, price(WORKER, usage))


def test_retries_failures_and_answers_that_cannot_be_used_have_theirs(tmp_path: Path) -> None:
    worker = [Unavailable("lost", code="disconnected"), EMPTY, MalformedOutput("no JSON")]
    rows = rows_of(tmp_path, "hi", [answer("yes", usage=Usage(5, 5))], worker)
    assert [(row.role, row.state, row.error) for row in rows] == [
        ("worker", "failed", "disconnected"),
        ("worker", "completed", ""),
        ("worker", "failed", "malformed_output"),
        ("lead", "completed", ""),
    ]


def test_what_was_refused_costs_nothing_and_what_broke_off_is_not_known(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, "hi", [Unavailable("lost", code="disconnected"), MissingCredential("no key")])
    assert [(row.state, row.cost_usd) for row in rows] == [("failed", None), ("failed", 0)]
    assert rows_of(tmp_path, "hi", [RateLimited("later")] * 2)[-1].cost_usd == 0


def test_a_worker_that_was_too_slow_has_a_row_that_was_cut_off(tmp_path: Path) -> None:
    clock = ManualClock()

    async def never(_: ModelRequest) -> str:
        await clock.advance(11)
        await asyncio.Event().wait()
        return "late"

    task = {"input": "hi", "complexity": "moderate"}
    rows = rows_of(tmp_path, task, [answer("yes")], [never], clock=clock)
    assert [(row.role, row.state, row.error) for row in rows] == [
        ("worker", "failed", "cut_off"),
        ("lead", "completed", ""),
    ]


def test_a_whole_request_is_billed_to_its_user_too(tmp_path: Path) -> None:
    async def main() -> list[str]:
        async with CostTracker(f"sqlite:///{tmp_path / 'bill.db'}") as tracker:
            router = MultiModelRouter(lead=ScriptedModel(["a", "b"], spec=LEAD), tracker=tracker)
            await router.generate(ModelRequest((user("hi"),)), user_id="ada")
            await router.generate({"input": "hi"}, user_id="eve")
            return [one.group[0] for one in await tracker.totals("user")]

    assert asyncio.run(main()) == ["ada", "eve"]


def test_a_ledger_that_cannot_be_written_keeps_nobody_from_an_answer(tmp_path: Path) -> None:
    async def main() -> str:
        tracker = CostTracker(f"sqlite:///{tmp_path}")  # a directory is no database
        router = MultiModelRouter(lead=ScriptedModel(["here"], spec=LEAD), tracker=tracker)
        return (await router.route("hi")).text

    assert asyncio.run(main()) == "here"


def test_somebody_pays_or_nothing_is_asked(tmp_path: Path) -> None:
    model = ScriptedModel(["here"], spec=LEAD)
    router = MultiModelRouter(lead=model, tracker=CostTracker(f"sqlite:///{tmp_path / 'bill.db'}"))
    with pytest.raises(InvalidConfig, match="user_id is empty"):
        asyncio.run(router.route("hi", user_id=""))
    assert model.requests == []
