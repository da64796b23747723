"""The retry budget: few faults are retried, an outage is not multiplied."""

import asyncio
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emonk.errors import InvalidConfig, Unavailable
from emonk.resilience.attempts import attempts
from emonk.resilience.budget import RetryBudget
from emonk.resilience.strategies import STRATEGIES
from emonk.testing.clock import ManualClock

STEPS = st.lists(
    st.one_of(st.just("call"), st.just("take"), st.floats(0, 600)),
    max_size=200,
)


@settings(deadline=None)
@given(STEPS, st.floats(0, 1), st.floats(1, 20), st.floats(0, 60))
def test_retries_are_a_share_of_the_calls_and_of_the_minutes(
    steps: list[str | float], ratio: float, burst: float, per_minute: float
) -> None:
    async def main() -> None:
        clock = ManualClock()
        budget = RetryBudget(ratio=ratio, burst=burst, per_minute=per_minute, clock=clock)
        calls = taken = 0
        minutes = 0.0
        for step in steps:
            if step == "call":
                budget.call()
                calls += 1
            elif step == "take":
                before = budget.tokens
                granted = budget.take()
                assert granted == (before >= 1.0)
                taken += granted
            elif isinstance(step, float):
                await clock.advance(step)
                minutes += step / 60
            assert 0.0 <= budget.tokens <= burst
            assert taken <= burst + ratio * calls + per_minute * minutes + 1e-6

    asyncio.run(main())


def test_a_full_bucket_serves_a_burst_and_then_a_tenth_of_the_calls() -> None:
    budget = RetryBudget(clock=ManualClock())
    assert [budget.take() for _ in range(11)] == [True] * 10 + [False]
    for _ in range(11):
        budget.call()
    assert [budget.take(), budget.take()] == [True, False]


def test_it_fills_up_slowly_by_itself() -> None:
    async def main() -> None:
        clock = ManualClock()
        budget = RetryBudget(burst=1, per_minute=2, clock=clock)
        assert budget.take()
        await clock.advance(29)
        assert not budget.take()
        await clock.advance(1.001)
        assert budget.take()

    asyncio.run(main())


def test_a_total_outage_of_ten_minutes_costs_at_most_1_2_requests_per_request_wanted() -> None:
    wanted, sent = 0, 0

    async def main() -> None:
        nonlocal wanted, sent
        clock = ManualClock()
        budget = RetryBudget(clock=clock)

        async def request() -> None:
            nonlocal sent
            sent += 1
            raise Unavailable("down")

        callers: list[asyncio.Task[None]] = []
        for second in range(600):
            wanted += 1
            chances = iter([0.3, 0.6, 0.9, 0.2, 0.5, 0.8] * 2)
            policy = STRATEGIES["models"]
            call = attempts(request, policy, budget=budget, clock=clock, random=chances.__next__, what=str(second))
            callers.append(asyncio.ensure_future(call))
            await clock.advance(1)
        await clock.advance(60)
        results = await asyncio.gather(*callers, return_exceptions=True)
        assert all(isinstance(result, Unavailable) for result in results)

    asyncio.run(main())
    assert wanted < sent <= 1.2 * wanted


@pytest.mark.parametrize(
    "options",
    [
        {"ratio": -0.1},
        {"ratio": 1.1},
        {"ratio": math.nan},
        {"burst": 0},
        {"burst": math.inf},
        {"per_minute": -1},
        {"per_minute": "1"},
    ],
    ids=str,
)
def test_settings_without_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidConfig, match=next(iter(options))):
        RetryBudget(**options)
