"""`retry_with_backoff`: how often, after how long, and until when."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from emonk import retry_with_backoff
from emonk.errors import (
    CircuitOpen,
    DeadlineExceeded,
    RateLimited,
    Unavailable,
)
from emonk.resilience.attempts import attempts
from emonk.resilience.budget import RetryBudget
from emonk.resilience.retry import RetryPolicy
from emonk.testing.clock import ManualClock
from tests.resilience.driving import failing, finish

YEAR = 365 * 86_400.0


def run(func: Any, clock: ManualClock | None = None, **options: Any) -> Any:
    clock = clock or ManualClock()
    options = {"jitter": False, **options}
    return asyncio.run(finish(clock, retry_with_backoff(func, clock=clock, **options)))


def test_three_retries_are_four_calls_after_1_2_and_4_seconds() -> None:
    func, calls = failing(Unavailable("down"))
    clock = ManualClock()
    with pytest.raises(Unavailable) as raised:
        run(func, clock)
    assert len(calls) == 4
    assert clock.slept == [1.0, 2.0, 4.0]
    assert raised.value.__notes__ == ["4 attempts: no retries are left"]


def test_a_success_ends_it() -> None:
    func, calls = failing(ConnectionResetError(), TimeoutError(), None)
    clock = ManualClock()
    assert run(func, clock) == "done"
    assert (len(calls), clock.slept) == (3, [1.0, 2.0])


def test_the_last_error_itself_is_raised() -> None:
    errors = [Unavailable("first"), Unavailable("second"), Unavailable("third")]
    func, _ = failing(*errors)
    with pytest.raises(Unavailable) as raised:
        run(func, max_retries=2)
    assert raised.value is errors[-1]
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None


def test_delays_may_stay_the_same_and_are_bounded() -> None:
    clock = ManualClock()
    func, _ = failing(Unavailable("down"))
    with pytest.raises(Unavailable):
        run(func, clock, exponential=False, initial_delay=0.5)
    assert clock.slept == [0.5, 0.5, 0.5]

    clock = ManualClock()
    with pytest.raises(Unavailable):
        run(func, clock, max_retries=5, max_delay=5)
    assert clock.slept == [1.0, 2.0, 4.0, 5.0, 5.0]


def test_no_number_of_retries_makes_a_delay_overflow() -> None:
    policy = RetryPolicy(retries=10_000, jitter=False)
    assert policy.delay(9_999, 0.5) == 60.0
    assert RetryPolicy(first=0.0, jitter=False).delay(9_999, 0.5) == 0.0


def test_full_jitter_takes_a_random_part_of_the_delay() -> None:
    clock = ManualClock()
    func, _ = failing(Unavailable("down"))
    chances = iter([0.0, 0.25, 0.75])
    with pytest.raises(Unavailable):
        run(func, clock, jitter=True, random=partial(next, chances))
    assert clock.slept == [0.0, 0.5, 3.0]


def test_jitter_is_on_unless_exact_delays_are_asked_for() -> None:
    clock = ManualClock()
    func, _ = failing(Unavailable("down"))

    async def main() -> None:
        await finish(clock, retry_with_backoff(func, clock=clock, random=lambda: 0.5))

    with pytest.raises(Unavailable):
        asyncio.run(main())
    assert clock.slept == [0.5, 1.0, 2.0]


@pytest.mark.parametrize("jitter", [False, True])
def test_a_hint_of_the_server_is_a_floor_under_the_delay(jitter: bool) -> None:
    clock = ManualClock()
    func, _ = failing(RateLimited("slow down", retry_after=3.0), RateLimited("slow down", retry_after=0.5), None)
    assert run(func, clock, jitter=jitter, random=lambda: 0.999) == "done"
    assert clock.slept[0] == 3.0
    assert clock.slept[1] == pytest.approx(2.0, rel=0.01)


@pytest.mark.parametrize("hint", [math.nan, -5.0, math.inf, "soon", True, None])
def test_a_hint_without_sense_counts_as_none(hint: Any) -> None:
    clock = ManualClock()
    func, _ = failing(RateLimited("slow down", retry_after=hint), None)
    assert run(func, clock) == "done"
    assert clock.slept == [1.0]


@pytest.mark.parametrize("deadline", [None, 60.0])
def test_a_hint_of_a_year_is_not_waited_for(deadline: float | None) -> None:
    clock = ManualClock()
    func, calls = failing(RateLimited("slow down", retry_after=YEAR))
    with pytest.raises(RateLimited) as raised:
        run(func, clock, deadline=deadline)
    assert len(calls) == 1
    assert "asks to wait 3.1536e+07 s" in raised.value.__notes__[0]


def test_a_wait_that_would_pass_the_deadline_is_not_begun() -> None:
    clock = ManualClock()
    func, calls = failing(Unavailable("down"))
    with pytest.raises(Unavailable) as raised:
        run(func, clock, deadline=2.5)
    assert len(calls) == 2
    assert "pass the deadline" in raised.value.__notes__[0]

    func, calls = failing(RateLimited("slow down", retry_after=30.0))
    with pytest.raises(RateLimited):
        run(func, deadline=30.0)
    assert len(calls) == 1


def test_the_deadline_cancels_a_call_and_names_the_last_error() -> None:
    clock = ManualClock()
    first = Unavailable("down")
    ended: list[float] = []
    began = clock.monotonic()

    async def func() -> None:
        if not ended:
            ended.append(-1.0)
            raise first
        try:
            await clock.sleep(1000)
        finally:
            ended.append(clock.monotonic() - began)

    with pytest.raises(DeadlineExceeded) as raised:
        run(func, clock, deadline=10)
    assert raised.value.__cause__ is first
    assert "2 attempts: the time was over" in raised.value.__notes__
    assert ended == [-1.0, 10.0]


def test_a_call_that_is_out_of_its_own_time_is_tried_again() -> None:
    func, calls = failing(DeadlineExceeded("the server took too long"), None)
    assert run(func, deadline=100) == "done"
    assert len(calls) == 2


def test_the_deadline_holds_on_the_system_clock_too() -> None:
    async def hang() -> None:
        await asyncio.Event().wait()

    with pytest.raises(DeadlineExceeded):
        asyncio.run(retry_with_backoff(hang, deadline=0.01))


@pytest.mark.parametrize("deadline", [None, 60.0])
def test_a_timeout_within_the_function_is_no_cancellation(deadline: float | None) -> None:
    calls: list[int] = []

    async def func() -> str:
        calls.append(1)
        if len(calls) == 1:
            async with asyncio.timeout(0.001):
                await asyncio.Event().wait()
        return "done"

    assert asyncio.run(retry_with_backoff(func, initial_delay=0.0, deadline=deadline)) == "done"
    assert len(calls) == 2


def test_cancellation_stops_a_call_at_once() -> None:
    calls: list[int] = []

    async def main() -> None:
        async def func() -> None:
            calls.append(1)
            await asyncio.Event().wait()

        task = asyncio.ensure_future(retry_with_backoff(func, retry_on=BaseException))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert calls == [1]


def test_cancellation_stops_a_wait_at_once() -> None:
    func, calls = failing(Unavailable("down"))

    async def main() -> None:
        clock = ManualClock()
        task = asyncio.ensure_future(retry_with_backoff(func, clock=clock))
        await clock.wait_for_sleepers()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert clock.sleepers == 0
        await clock.advance(1000)

    asyncio.run(main())
    assert len(calls) == 1


@pytest.mark.parametrize("deadline", [None, 60.0])
def test_a_call_that_makes_another_error_of_its_cancellation_is_not_tried_again(deadline: float | None) -> None:
    calls: list[int] = []

    async def main() -> None:
        async def func() -> None:
            calls.append(1)
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                raise Unavailable("cut off") from None

        task = asyncio.ensure_future(retry_with_backoff(func, 1, 0.0, deadline=deadline))
        for _ in range(5):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(Unavailable):
            await asyncio.wait_for(task, 2)

    asyncio.run(main())
    assert calls == [1]


@pytest.mark.parametrize("is_async", [False, True])
def test_on_retry_is_told_before_each_wait(is_async: bool) -> None:
    clock = ManualClock()
    told: list[tuple[int, str, int]] = []

    def tell(attempt: int, error: Exception) -> None:
        told.append((attempt, str(error), len(clock.slept)))

    async def tell_async(attempt: int, error: Exception) -> None:
        await asyncio.sleep(0)
        tell(attempt, error)

    func, _ = failing(Unavailable("a"), Unavailable("b"), None)
    run(func, clock, on_retry=tell_async if is_async else tell)
    assert told == [(1, "a", 0), (2, "b", 1)]


def test_on_retry_that_raises_is_logged_and_the_retry_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    def broken(attempt: int, error: Exception) -> None:
        raise RuntimeError("the hook broke")

    func, _ = failing(Unavailable("down"), None)
    assert run(func, on_retry=broken) == "done"
    assert "the hook broke" in caplog.text


def _plain() -> int:
    return 7


async def _async() -> int:
    return 7


class _Callable:
    async def __call__(self) -> int:
        return 7


@pytest.mark.parametrize("func", [_plain, _async, partial(_async), _Callable()])
def test_functions_may_be_plain_or_async(func: Any) -> None:
    assert run(func) == 7


def test_a_plain_function_is_tried_again_too() -> None:
    calls: list[int] = []

    def func() -> str:
        calls.append(1)
        if len(calls) < 3:
            raise ConnectionError
        return "done"

    assert run(func) == "done"
    assert len(calls) == 3


def test_an_error_that_takes_no_note_is_raised_as_it_is() -> None:
    class Sealed(Exception):
        def __setattr__(self, name: str, value: object) -> None:
            raise TypeError("sealed")

    func, calls = failing(Sealed())
    with pytest.raises(Sealed):
        run(func)
    assert len(calls) == 4


def test_a_spent_budget_ends_the_retries() -> None:
    clock = ManualClock()
    budget = RetryBudget(burst=2, ratio=0.0, per_minute=0.0, clock=clock)
    func, calls = failing(Unavailable("down"))
    with pytest.raises(Unavailable) as raised:
        run(func, clock, budget=budget)
    assert len(calls) == 3
    assert raised.value.__notes__ == ["3 attempts: the retry budget is spent"]


def test_before_attempt_may_refuse_a_retry() -> None:
    asked: list[int] = []

    def breaker(attempt: int) -> None:
        asked.append(attempt)
        if attempt == 3:
            raise CircuitOpen("open", retry_after=9.0)

    func, calls = failing(Unavailable("down"))
    clock = ManualClock()
    policy = RetryPolicy(retries=5, jitter=False)
    with pytest.raises(CircuitOpen):
        asyncio.run(finish(clock, attempts(func, policy, before_attempt=breaker, clock=clock)))
    assert (asked, len(calls)) == ([1, 2, 3], 2)


def test_types_are_kept() -> None:
    async def main() -> int:
        async def func() -> int:
            return 1

        def plain() -> int:
            return 2

        first: int = await retry_with_backoff(func)
        second: int = await retry_with_backoff(plain)
        third: Callable[[], Awaitable[int]] = partial(retry_with_backoff, func)
        return first + second + await third()

    assert asyncio.run(main()) == 4
