"""Values of `retry_with_backoff` and `RetryPolicy`: the defaults, and what is refused."""

import asyncio
import gc
import math
from collections.abc import Callable
from typing import Any

import pytest

from emonk import retry_with_backoff
from emonk.errors import (
    InvalidConfig,
)
from emonk.resilience.retry import RetryPolicy
from emonk.resilience.strategies import STRATEGIES
from emonk.testing.clock import ManualClock
from tests.resilience.driving import failing, finish


def run(func: Any, clock: ManualClock | None = None, **options: Any) -> Any:
    clock = clock or ManualClock()
    options = {"jitter": False, **options}
    return asyncio.run(finish(clock, retry_with_backoff(func, clock=clock, **options)))


BAD = [
    {"max_retries": -1},
    {"max_retries": True},
    {"max_retries": 2.0},
    {"max_retries": "3"},
    {"max_retries": None},
    {"initial_delay": -0.1},
    {"initial_delay": math.nan},
    {"initial_delay": math.inf},
    {"initial_delay": "1"},
    {"initial_delay": 10**400},
    {"max_delay": -1},
    {"max_delay": math.nan},
    {"deadline": 0},
    {"deadline": -1.0},
    {"deadline": math.nan},
    {"deadline": math.inf},
    {"deadline": "5"},
    {"exponential": "yes"},
    {"jitter": 1},
    {"on_retry": 5},
    {"retry_on": 5},
    {"retry_on": int},
    {"retry_on": (ValueError, "KeyError")},
    {"budget": 10},
    {"random": None},
    {"random": 0.5},
]


@pytest.mark.parametrize("options", BAD, ids=str)
def test_bad_values_are_refused_before_the_first_call(options: dict[str, Any]) -> None:
    func, calls = failing(None)
    with pytest.raises(InvalidConfig, match=next(iter(options))):
        run(func, **options)
    assert calls == []


@pytest.mark.parametrize("clock", [None, 5, "now", asyncio])
def test_what_is_no_clock_is_refused_before_the_first_call(clock: Any) -> None:
    func, calls = failing(None)
    with pytest.raises(InvalidConfig, match="clock"):
        asyncio.run(retry_with_backoff(func, clock=clock))
    assert calls == []


@pytest.mark.parametrize("func", [None, 5, "func"])
def test_what_is_no_function_is_refused(func: Any) -> None:
    with pytest.raises(InvalidConfig, match="func is"):
        run(func)


def test_a_coroutine_in_the_place_of_a_function_is_refused_and_closed() -> None:
    async def fetch() -> None:
        raise AssertionError("never runs")

    with pytest.raises(InvalidConfig, match=r"func is a coroutine.*give the function: fetch"):
        run(fetch())
    gc.collect()  # it would warn of a coroutine that was never awaited


@pytest.mark.parametrize(
    ("component", "delays"),
    [("schedules", [1, 2, 4]), ("skills", [0]), ("models", [1, 2, 4, 8, 16]), ("search", [2, 4]), ("api", [1, 2, 4])],
)
def test_the_strategies_are_as_documented(component: str, delays: list[float]) -> None:
    policy = STRATEGIES[component]
    assert policy.jitter
    assert [policy.delay(retry, 1.0) for retry in range(1, policy.retries + 1)] == delays
    assert set(STRATEGIES) == {"schedules", "skills", "models", "search", "api"}


@pytest.mark.parametrize(
    "make",
    [
        lambda: RetryPolicy(retries=-1),
        lambda: RetryPolicy(first=math.nan),
        lambda: RetryPolicy(factor=0.5),
        lambda: RetryPolicy(longest=-1),
        lambda: RetryPolicy(jitter="no"),  # pyright: ignore[reportArgumentType]
    ],
)
def test_a_policy_without_sense_is_refused(make: Callable[[], RetryPolicy]) -> None:
    with pytest.raises(InvalidConfig):
        make()
