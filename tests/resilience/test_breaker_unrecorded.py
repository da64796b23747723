"""What is not the fault of the dependency opens no breaker, and a server that asks for time gets it."""

import asyncio
from typing import Any

import pytest

from emonk import CircuitState
from emonk.errors import (
    CircuitOpen,
    ConfigError,
    InvalidArguments,
    MissingCredential,
    PermissionDenied,
    QuotaExhausted,
    RateLimited,
    Unavailable,
)
from emonk.resilience.breaker_events import BreakerStatus
from tests.resilience.breaker_calls import (
    Dependency,
    JumpingClock,
    begun,
    breaker_of,
    half_opened,
    opened,
    use,
)

CLOSED, OPEN, HALF_OPEN = CircuitState.CLOSED, CircuitState.OPEN, CircuitState.HALF_OPEN
BOOM = Unavailable("503")


@pytest.fixture
def clock() -> JumpingClock:
    return JumpingClock()


def run(coroutine: Any) -> None:
    asyncio.run(coroutine)


class TestNotRecorded:
    @pytest.mark.parametrize(
        "error",
        [
            InvalidArguments("no such city"),
            PermissionDenied("policy"),
            MissingCredential("no key"),
            ConfigError("no such model"),
            asyncio.CancelledError(),
            RateLimited("429"),
            CircuitOpen("another breaker"),
            KeyboardInterrupt(),
        ],
        ids=lambda error: type(error).__name__,
    )
    def test_is_no_call_at_all(self, clock: JumpingClock, error: BaseException) -> None:
        async def check() -> None:
            breaker = breaker_of(clock)
            await use(breaker, *[error] * 100)
            assert breaker.status() == BreakerStatus("gemini", CLOSED, 0, 0, 0, 0.0)

        run(check())

    def test_a_cancelled_call_is_raised_on(self, clock: JumpingClock) -> None:
        async def check() -> None:
            breaker = breaker_of(clock)
            task = asyncio.create_task(breaker.call(Dependency(clock, seconds=100)))
            await begun(task)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert breaker.status().calls == 0

        run(check())

    def test_what_the_function_raises_is_raised_as_it_is(self, clock: JumpingClock) -> None:
        async def check() -> None:
            breaker = breaker_of(clock, min_calls=1)
            with pytest.raises(Unavailable) as raised:
                await breaker.call(Dependency(clock, error=BOOM))
            assert raised.value is BOOM
            assert breaker.state is OPEN

        run(check())


class TestCoolDown:
    @pytest.mark.parametrize("kind", [RateLimited, QuotaExhausted])
    def test_a_hint_refuses_until_then_and_is_no_failure(
        self, clock: JumpingClock, kind: type[RateLimited | QuotaExhausted]
    ) -> None:
        async def check() -> None:
            breaker = breaker_of(clock)
            await use(breaker, kind("429", retry_after=12.0))
            assert breaker.status() == BreakerStatus("gemini", CLOSED, 0, 0, 0, 12.0)
            with pytest.raises(CircuitOpen) as raised:
                breaker.acquire()
            assert raised.value.retry_after == 12.0
            await clock.advance(12)
            assert breaker.wait() == 0.0
            assert await breaker.call(Dependency(clock)) == "answer"

        run(check())

    def test_a_failure_that_names_a_time_counts_and_is_not_followed_by_a_call_before(self, clock: JumpingClock) -> None:
        async def check() -> None:
            breaker = breaker_of(clock)
            await use(breaker, Unavailable("503", retry_after=12))
            assert breaker.status().failures == 1
            assert breaker.wait() == 12.0

        run(check())

    def test_a_shorter_one_does_not_shorten_it(self, clock: JumpingClock) -> None:
        breaker = breaker_of(clock)
        breaker.cool_down(20)
        breaker.cool_down(5)
        breaker.cool_down(0)
        assert breaker.wait() == 20.0

    @pytest.mark.parametrize("hint", [float("nan"), float("inf"), -5.0, 0.0, None])
    def test_a_senseless_hint_is_none(self, clock: JumpingClock, hint: float | None) -> None:
        async def check() -> None:
            breaker = breaker_of(clock)
            await use(breaker, RateLimited("429", retry_after=hint))
            assert breaker.wait() == 0.0

        run(check())

    def test_a_hint_of_a_year_is_a_day(self, clock: JumpingClock) -> None:
        async def check() -> None:
            breaker = breaker_of(clock)
            await use(breaker, RateLimited("429", retry_after=31_536_000.0))
            assert breaker.wait() == 86_400.0
            with pytest.raises(CircuitOpen, match=r"unavailable until 2025-06-16 15:06:40 UTC"):
                breaker.acquire()

        run(check())

    def test_of_a_probe_returns_its_permit(self, clock: JumpingClock) -> None:
        async def check() -> None:
            breaker = await half_opened(clock)
            await use(breaker, RateLimited("429", retry_after=5.0))
            assert (breaker.state, breaker.wait()) == (HALF_OPEN, 5.0)
            await clock.advance(5)
            assert [breaker.acquire().probe for _ in range(3)] == [True] * 3

        run(check())

    def test_the_longer_of_cool_down_and_open_time_counts(self, clock: JumpingClock) -> None:
        async def check() -> None:
            breaker = await opened(clock)
            breaker.cool_down(10)
            assert breaker.wait() == 30.0
            breaker.cool_down(50)
            assert (breaker.state, breaker.wait()) == (OPEN, 50.0)
            await clock.advance(30)
            assert (breaker.state, breaker.wait()) == (HALF_OPEN, 20.0)

        run(check())
