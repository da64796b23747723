"""Who spent what."""

import asyncio
import functools
import tempfile
from collections.abc import Callable, Coroutine
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any, ParamSpec

import pytest
from hypothesis import given
from hypothesis import strategies as st

import emonk
from emonk.costs import CostTracker, PriceBook, PriceOverride, price
from emonk.costs.savings import Savings
from emonk.errors import InvalidArguments, RateLimited, Unavailable
from emonk.records import Usage, UsageRow
from emonk.store.connect import connect
from emonk.store.usage_protocol import UsageFilter
from emonk.testing.clock import ManualClock

DAY = datetime(2026, 11, 10, 12, tzinfo=UTC)
LEAD, WORKER = "gemini:gemini-2.5-pro", "gemini:gemini-2.5-flash"


P = ParamSpec("P")


def in_a_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


def row(number: int, **changes: Any) -> UsageRow:
    spec = changes.pop("spec", WORKER)
    at = changes.pop("at", DAY)
    usage = changes.setdefault("usage", Usage(1000, 100))
    fields: dict[str, Any] = {
        "row_id": f"r{number:04}",
        "agent": "helper",
        "session_id": "s1",
        "user_id": "u1",
        "trace_id": "",
        "purpose": "turn",
        "provider": spec.partition(":")[0],
        "model": spec.partition(":")[2],
        "state": "completed",
        "started_at": int(at.timestamp()) * 1_000_000,
        "lead": LEAD,
    }
    if "cost_usd" not in changes:
        fields["cost_usd"] = price(spec, usage, at=at.date())
    return UsageRow(**{**fields, **changes})


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'costs.db'}"


async def filled(url: str, rows: list[UsageRow]) -> None:
    store = await connect(url)
    await store.bill(rows)
    await store.aclose()


def test_it_is_a_public_name() -> None:
    assert emonk.CostTracker is CostTracker


@in_a_loop
async def test_what_a_user_spent_is_told_by_model_agent_day_and_purpose(url: str) -> None:
    rows = [
        row(1),
        row(2, spec=LEAD, purpose="summary"),
        row(3, agent="other", at=DAY + timedelta(days=1)),
        row(4, user_id="u2"),
        row(5, at=DAY - timedelta(days=30)),
    ]
    await filled(url, rows)
    async with CostTracker(url) as tracker:
        costs = await tracker.get_user_costs("u1", date(2026, 11, 1), date(2026, 11, 30))
    small, large = price(WORKER, Usage(1000, 100)), price(LEAD, Usage(1000, 100))
    assert costs.total_usd == 2 * small + large
    assert {name: one.cost_usd for name, one in costs.by_model.items()} == {WORKER: 2 * small, LEAD: large}
    assert {name: one.calls for name, one in costs.by_agent.items()} == {"helper": 2, "other": 1}
    assert {name: one.cost_usd for name, one in costs.by_day.items()} == {
        "2026-11-10": small + large,
        "2026-11-11": small,
    }
    assert {name: one.cost_usd for name, one in costs.by_purpose.items()} == {"turn": 2 * small, "summary": large}
    assert costs.savings == Savings(3, 2 * small + large, 3 * large)
    assert costs.savings.saved_usd == 2 * (large - small)
    assert costs.total.usage == Usage(3000, 300)


@in_a_loop
async def test_days_are_those_of_utc_and_the_last_is_included(url: str) -> None:
    late = datetime(2026, 11, 10, 23, 59, 59, tzinfo=UTC)
    await filled(url, [row(1, at=late), row(2, at=late + timedelta(seconds=1))])
    async with CostTracker(url) as tracker:
        one = await tracker.get_user_costs("u1", date(2026, 11, 10), date(2026, 11, 10))
        until = await tracker.get_user_costs("u1", None, late)
        elsewhere = late.astimezone(timezone(timedelta(hours=9)))
        since = await tracker.get_user_costs("u1", elsewhere)
    assert [costs.total.calls for costs in (one, until, since)] == [1, 0, 2]


@in_a_loop
async def test_a_call_whose_cost_is_not_known_is_counted_and_never_0(url: str) -> None:
    await filled(url, [row(1), row(2, spec="openai:llama3", cost_usd=None), row(3, state="started", cost_usd=None)])
    async with CostTracker(url) as tracker:
        costs = await tracker.get_user_costs("u1")
    assert (costs.total.calls, costs.total.unpriced, costs.total.unfinished) == (3, 2, 1)
    assert costs.by_model["openai:llama3"].unpriced == 1
    assert costs.by_model["openai:llama3"].cost_usd is None
    assert costs.savings.unknown == 2


@in_a_loop
async def test_a_user_without_calls_spent_nothing(url: str) -> None:
    async with CostTracker(url) as tracker:
        costs = await tracker.get_user_costs("nobody")
    assert (costs.total_usd, costs.total.calls, costs.by_model, costs.savings) == (0, 0, {}, Savings())


@in_a_loop
async def test_totals_are_summed_by_the_words_that_are_asked_for(url: str) -> None:
    await filled(url, [row(1), row(2, user_id="u2", session_id="s2"), row(3, spec=LEAD)])
    async with CostTracker(url) as tracker:
        by_user = await tracker.totals("user")
        both = await tracker.totals(["provider", "model", "user"], session_id="s1")
        whole = await tracker.totals()
    assert [(one.group, one.calls) for one in by_user] == [(("u1",), 2), (("u2",), 1)]
    assert {one.group for one in both} == {("gemini", WORKER, "u1"), ("gemini", LEAD, "u1")}
    assert [(one.group, one.calls) for one in whole] == [((), 3)]


@in_a_loop
async def test_own_calls_are_logged_and_counted(url: str) -> None:
    async with CostTracker(url) as tracker:
        logged = await tracker.log_usage(WORKER, Usage(1000, 100), user_id="u9", agent="script", lead=LEAD)
        unknown = await tracker.log_usage("openai:llama3", Usage(5, 5), user_id="u9")
        await tracker.log_usage("offline", Usage(1, 1), user_id="u9")
        costs = await tracker.get_user_costs("u9")
    assert logged.cost_usd == price(WORKER, Usage(1000, 100))
    assert logged.price["input"] == "0.3"
    assert unknown.cost_usd is None
    assert costs.total_usd == logged.cost_usd
    assert costs.total.unpriced == 1
    assert (costs.by_model["offline"].calls, costs.by_model["offline"].cost_usd) == (1, 0)
    assert costs.savings.saved_usd > 0


@in_a_loop
async def test_own_prices_count_for_what_is_logged(url: str) -> None:
    book = PriceBook([PriceOverride(model="openai:llama3", input=1, output=1)])
    async with CostTracker(url, prices=book) as tracker:
        logged = await tracker.log_usage("openai:llama3", Usage(1_000_000), user_id="u")
    assert logged.cost_usd == 1


@in_a_loop
async def test_a_store_that_was_given_open_stays_open(url: str) -> None:
    store = await connect(url)
    async with CostTracker(store):
        pass
    assert await store.usage_rows(UsageFilter()) == []
    await store.aclose()


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        (DAY.replace(tzinfo=None), None, "no time zone"),
        (None, DAY.replace(tzinfo=None), "no time zone"),
        (date(2026, 11, 2), date(2026, 11, 1), "before the start"),
        ("2026-11-01", None, "is no date"),
        (DAY, DAY - timedelta(seconds=1), "before the start"),
        (None, 5, "is no date"),
        (None, date.max, "too late"),
    ],
)
@in_a_loop
async def test_dates_that_make_no_sense_are_refused(url: str, start: Any, end: Any, said: str) -> None:
    async with CostTracker(url) as tracker:
        with pytest.raises(InvalidArguments, match=said):
            await tracker.get_user_costs("u1", start, end)


@pytest.mark.parametrize(
    ("model", "usage", "user"),
    [("gemini", Usage(), "u"), (WORKER, Usage(-1), "u"), (WORKER, Usage(0, 1.5), "u"), (WORKER, Usage(), "")],  # type: ignore[arg-type]
)
@in_a_loop
async def test_calls_that_cannot_be_are_refused(url: str, model: str, usage: Usage, user: str) -> None:
    async with CostTracker(url) as tracker:
        with pytest.raises(InvalidArguments):
            await tracker.log_usage(model, usage, user_id=user)
        with pytest.raises(InvalidArguments):
            await tracker.totals("colour")  # type: ignore[arg-type]
        with pytest.raises(InvalidArguments):
            await tracker.get_user_costs("")


calls = st.tuples(st.sampled_from([WORKER, LEAD]), st.integers(0, 400_000), st.integers(0, 5000), st.booleans())


@given(st.lists(calls, max_size=12), st.sampled_from([LEAD, "openai:gpt-5", "gemini:nobody-knows"]))
def test_savings_are_the_sum_over_all_calls_whatever_the_tier(
    drawn: list[tuple[str, int, int, bool]], lead: str
) -> None:
    @in_a_loop
    async def check() -> None:
        rows: list[UsageRow] = []
        for number, (spec, tokens, output, known) in enumerate(drawn):
            made = row(number, spec=spec, usage=Usage(tokens, output), lead=lead, at=DAY + timedelta(days=number % 2))
            rows.append(made if known else row(number, spec=spec, cost_usd=None, lead=lead))
        with tempfile.TemporaryDirectory() as folder:
            url = f"sqlite:///{folder}/c.db"
            await filled(url, rows)
            async with CostTracker(url) as tracker:
                found = await tracker.savings()
        priced = [one for one in rows if one.cost_usd is not None]
        if lead == "gemini:nobody-knows":
            assert found == Savings(unknown=len(rows))
            return
        expected = sum((price(lead, one.usage, at=DAY.date()) for one in priced), Decimal(0))
        assert (found.calls, found.unknown) == (len(priced), len(rows) - len(priced))
        assert (found.lead_usd, found.cost_usd) == (expected, sum(one.cost_usd or 0 for one in priced))

    check()


@in_a_loop
async def test_a_call_of_ones_own_has_a_row_before_it_leaves_and_the_same_when_it_has_ended(url: str) -> None:
    clock = ManualClock()
    async with CostTracker(url, clock=clock) as tracker:
        call = await tracker.begin(WORKER, user_id="ada", session_id="s", purpose="own", lead=LEAD, role="worker")
        assert [(one.unfinished, one.cost_usd) for one in await tracker.totals()] == [(1, None)]
        await clock.advance(2)
        answered = await call.answered(Usage(1000, 100))
        broken = await (await tracker.begin(WORKER, user_id="ada")).failed(Unavailable("lost", code="disconnected"))
        refused = await (await tracker.begin(WORKER, user_id="ada")).failed(RateLimited("too many"))
        (total,) = await tracker.totals()
    assert (answered.state, answered.seconds, answered.cost_usd) == ("completed", 2.0, price(WORKER, Usage(1000, 100)))
    assert (broken.state, broken.error, broken.cost_usd) == ("failed", "disconnected", None)
    assert (refused.error, refused.cost_usd) == ("rate_limited", 0)
    assert (total.calls, total.failed, total.unfinished, total.unpriced) == (3, 2, 0, 1)


@in_a_loop
async def test_a_call_of_ones_own_belongs_to_a_user(url: str) -> None:
    async with CostTracker(url) as tracker:
        with pytest.raises(InvalidArguments, match="user_id is empty"):
            await tracker.begin(WORKER, user_id="")
