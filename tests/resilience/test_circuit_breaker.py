"""A breaker opens on what is the dependency's fault, lets exactly its permits through, and never hangs."""

import asyncio
import itertools
from typing import Any

import pytest

from emonk import CircuitBreaker, CircuitState
from emonk.errors import (
    CircuitOpen,
    InvalidArguments,
    MissingCredential,
    Unavailable,
)
from emonk.resilience.breaker_events import BreakerStatus
from emonk.testing.clock import ManualClock
from tests.resilience.breaker_calls import (
    Dependency,
    JumpingClock,
    begun,
    breaker_of,
    failures,
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


class TestClosed:
    def test_returns_what_the_function_returns(self, clock: JumpingClock) -> None:
        async def check() -> None:
            assert await breaker_of(clock).call(Dependency(clock), answer="yes") == "yes"

        run(check())

    def test_a_plain_function_is_called_and_its_result_awaited_if_it_can_be(self, clock: JumpingClock) -> None:
        async def check() -> None:
            breaker = breaker_of(clock)
            assert await breaker.call(len, "four") == 4
            assert await breaker.call(lambda: asyncio.sleep(0, "late")) == "late"
            assert breaker.status().calls == 2

        run(check())

    def test_alternating_failures_open_it_by_the_10th_call(self, clock: JumpingClock) -> None:
        async def check() -> None:
            breaker = breaker_of(clock)
            pattern = itertools.cycle([BOOM, None])
            for number in range(1, 10):
                await use(breaker, next(pattern))
                assert breaker.state is CLOSED, number
            await use(breaker, next(pattern))
            assert breaker.state is OPEN

        run(check())

    def test_fewer_failures_than_the_rate_leave_it_closed(self, clock: JumpingClock) -> None:
        async def check() -> None:
            breaker = breaker_of(clock)
            for _ in range(100):
                await use(breaker, None, BOOM, None)
            assert breaker.state is CLOSED
            assert breaker.status() == BreakerStatus("gemini", CLOSED, 300, 100, 0, 0.0)

        run(check())

    def test_what_left_the_window_does_not_count(self, clock: JumpingClock) -> None:
        async def check() -> None:
            breaker = breaker_of(clock)
            await use(breaker, *failures(9))
            await clock.advance(60)
            await use(breaker, *failures(9))
            assert breaker.state is CLOSED
            assert breaker.status().calls == 9

        run(check())

    @pytest.mark.parametrize(("slow", "state"), [(8, OPEN), (7, CLOSED)])
    def test_slow_calls_open_it(self, clock: JumpingClock, slow: int, state: CircuitState) -> None:
        async def check() -> None:
            breaker = breaker_of(clock)
            permits = [breaker.acquire() for _ in range(10)]
            await clock.advance(30)
            for permit in permits[slow:]:
                permit.done()
            await clock.advance(1)
            for permit in permits[:slow]:
                permit.done()
            assert breaker.state is state
            assert breaker.status().slow == slow

        run(check())

    @pytest.mark.parametrize("slow_after", [None, float("inf")])
    def test_slowness_can_be_switched_off(self, clock: JumpingClock, slow_after: float | None) -> None:
        async def check() -> None:
            breaker = breaker_of(clock, slow_after=slow_after)
            permits = [breaker.acquire() for _ in range(10)]
            await clock.advance(86_400)
            for permit in permits:
                permit.done()
            assert breaker.state is CLOSED

        run(check())

    @pytest.mark.parametrize("jump", [3600.0, -3600.0])
    def test_jumps_of_the_wall_clock_change_nothing(self, clock: JumpingClock, jump: float) -> None:
        async def check() -> None:
            breaker = breaker_of(clock)
            await use(breaker, *failures(9))
            clock.jump = jump
            await use(breaker, BOOM)
            assert (breaker.state, breaker.wait()) == (OPEN, 30.0)
            clock.jump = -2 * jump
            assert (breaker.state, breaker.wait()) == (OPEN, 30.0)
            await clock.advance(29)
            assert breaker.state is OPEN
            await clock.advance(1)
            clock.jump = 0
            assert breaker.state is HALF_OPEN
            await use(breaker, None, None)
            clock.jump = jump
            await use(breaker, None)
            assert breaker.state is CLOSED

        run(check())

    def test_a_rate_is_reached_exactly_where_it_says(self, clock: JumpingClock) -> None:
        async def check() -> None:
            for failing in range(1, 11):
                breaker = breaker_of(clock, failure_rate=float(f"{failing / 10:.1f}"))
                await use(breaker, *[None] * (10 - failing), *failures(failing))
                assert breaker.state is OPEN, failing

        run(check())


class TestOpen:
    def test_refuses_without_calling_and_says_until_when(self, clock: JumpingClock) -> None:
        async def check() -> None:
            breaker = await opened(clock)
            dependency = Dependency(clock)
            await clock.advance(10)
            with pytest.raises(CircuitOpen, match=r"^gemini is unavailable until 15:07:10 UTC") as raised:
                await breaker.call(dependency)
            assert raised.value.retry_after == breaker.wait() == 20.0
            assert raised.value.hint == "10 of 10 calls failed"
            assert dependency.reached == 0

        run(check())

    def test_open_time_doubles_up_to_its_maximum(self, clock: JumpingClock) -> None:
        async def check() -> None:
            breaker = await opened(clock)
            lengths = [breaker.wait()]
            for _ in range(5):
                await clock.advance(breaker.wait())
                await use(breaker, *failures(3))
                lengths.append(breaker.wait())
            assert lengths == [30, 60, 120, 240, 300, 300]

        run(check())

    async def reopened(self, clock: JumpingClock, *, after: float) -> float:
        """How long the opening is after a first failed recovery, a good one, and so many closed seconds."""
        breaker = await half_opened(clock)
        await use(breaker, *failures(3))
        await clock.advance(60)
        await use(breaker, None, None, None)
        assert breaker.state is CLOSED
        await clock.advance(after)
        await use(breaker, *failures(10))
        assert breaker.state is OPEN
        return breaker.wait()

    def test_one_window_closed_brings_the_first_open_time_back(self, clock: JumpingClock) -> None:
        assert asyncio.run(self.reopened(clock, after=60)) == 30.0

    def test_an_opening_within_a_window_lasts_as_long_as_the_last(self, clock: JumpingClock) -> None:
        assert asyncio.run(self.reopened(clock, after=59)) == 60.0

    def test_an_opening_anew_is_up_to_a_tenth_longer_and_never_shorter(self, clock: JumpingClock) -> None:
        async def lengths(chance: float, **settings: float) -> tuple[float, float]:
            breaker = CircuitBreaker("gemini", clock=clock, random=lambda: chance, **settings)  # pyright: ignore[reportArgumentType]
            await use(breaker, *failures(10))
            first = breaker.wait()
            await clock.advance(first)
            await use(breaker, *failures(3))
            return first, breaker.wait()

        async def check() -> None:
            assert await lengths(0.0) == (30.0, 60.0)
            assert await lengths(0.5) == (30.0, pytest.approx(63.0))
            first, second = await lengths(0.999)
            assert first == 30.0
            assert 65.9 < second <= 66.0
            assert await lengths(0.999, jitter=0) == (30.0, 60.0)

        run(check())

    def test_waiting_as_long_as_it_says_is_enough_for_any_float(self) -> None:
        async def check() -> None:
            for step in range(300):
                clock = ManualClock(start=step / 7)
                breaker = CircuitBreaker("gemini", clock=clock, random=lambda chance=step / 301: chance)
                await use(breaker, *failures(10))
                await clock.advance(breaker.wait())
                assert breaker.wait() == 0.0

        run(check())

    def test_calls_that_began_before_count_no_more(self, clock: JumpingClock) -> None:
        async def check() -> None:
            breaker = breaker_of(clock)
            early = [breaker.acquire() for _ in range(20)]
            await use(breaker, *failures(10))
            for permit in early[:5]:
                permit.done()
            assert breaker.state is OPEN
            await clock.advance(30)
            for permit in early[5:10]:
                permit.done(BOOM)
            assert breaker.status() == BreakerStatus("gemini", HALF_OPEN, 0, 0, 0, 0.0, out=10)
            await use(breaker, None, None, None)
            for permit in early[10:]:
                permit.done(BOOM)
            assert breaker.status() == BreakerStatus("gemini", CLOSED, 0, 0, 0, 0.0)

        run(check())


class TestHalfOpen:
    def test_exactly_3_of_100_callers_reach_the_dependency(self, clock: JumpingClock) -> None:
        async def check() -> None:
            breaker = await half_opened(clock)
            dependency = Dependency(clock, seconds=1)
            calls = [asyncio.create_task(breaker.call(dependency)) for _ in range(100)]
            await clock.advance(1)
            results = await asyncio.gather(*calls, return_exceptions=True)
            assert dependency.reached == 3
            assert results.count("answer") == 3
            assert sum(isinstance(result, CircuitOpen) for result in results) == 97
            assert breaker.state is CLOSED

        run(check())

    @pytest.mark.parametrize(
        ("ends", "state"),
        [
            ([None, None, None], CLOSED),
            ([BOOM, None, None], CLOSED),
            ([BOOM, None, BOOM], OPEN),
            ([BOOM, BOOM, BOOM], OPEN),
        ],
    )
    def test_the_rate_over_all_probes_decides(
        self, clock: JumpingClock, ends: list[BaseException | None], state: CircuitState
    ) -> None:
        async def check() -> None:
            breaker = await half_opened(clock)
            for end in ends:
                assert breaker.state is HALF_OPEN
                await use(breaker, end)
            assert breaker.state is state

        run(check())

    def test_slow_probes_open_it_again(self, clock: JumpingClock) -> None:
        async def check() -> None:
            breaker = await half_opened(clock)
            probes = [breaker.acquire() for _ in range(3)]
            await clock.advance(31)
            for probe in probes:
                probe.done()
            assert breaker.state is OPEN

        run(check())

    @pytest.mark.parametrize("error", [asyncio.CancelledError(), InvalidArguments("no"), MissingCredential("no key")])
    def test_a_probe_that_does_not_count_returns_its_permit(self, clock: JumpingClock, error: BaseException) -> None:
        async def check() -> None:
            breaker = await half_opened(clock)
            for _ in range(10):
                probes = [breaker.acquire() for _ in range(3)]
                assert breaker.wait() == 60.0
                probes[0].done(error)
                assert breaker.wait() == 0.0
                for probe in probes:
                    probe.done(error)
            assert breaker.status() == BreakerStatus("gemini", HALF_OPEN, 0, 0, 0, 0.0)
            await use(breaker, None, None, None)
            assert breaker.state is CLOSED

        run(check())

    def test_a_cancelled_caller_returns_its_permit(self, clock: JumpingClock) -> None:
        async def check() -> None:
            breaker = await half_opened(clock, half_open_permits=1)
            task = asyncio.create_task(breaker.call(Dependency(clock, seconds=100)))
            await begun(task)
            with pytest.raises(CircuitOpen, match="every permit is out"):
                breaker.acquire()
            task.cancel()
            await asyncio.wait([task])
            assert breaker.acquire().probe

        run(check())

    def test_hung_probes_fail_and_never_wedge_it(self, clock: JumpingClock) -> None:
        async def check() -> None:
            breaker = await half_opened(clock)
            hung = [breaker.acquire() for _ in range(3)]
            await clock.advance(59)
            assert (breaker.state, breaker.wait()) == (HALF_OPEN, 1.0)
            await clock.advance(1)
            assert (breaker.state, breaker.wait()) == (OPEN, 60.0)
            await clock.advance(60)
            assert (breaker.state, breaker.wait()) == (HALF_OPEN, 0.0)
            for probe in hung:
                probe.done()
            assert breaker.status().calls == 0

        run(check())

    def test_nobody_need_look_for_hung_probes_to_fail_in_time(self, clock: JumpingClock) -> None:
        async def check() -> None:
            breaker = await half_opened(clock)
            for _ in range(3):
                breaker.acquire()
            await clock.advance(3600)
            assert (breaker.state, breaker.wait()) == (HALF_OPEN, 0.0)

        run(check())

    def test_one_hung_probe_of_three_does_not_keep_it_from_closing(self, clock: JumpingClock) -> None:
        async def check() -> None:
            breaker = await half_opened(clock)
            breaker.acquire()
            await use(breaker, None, None)
            assert breaker.state is HALF_OPEN
            await clock.advance(60)
            assert breaker.state is CLOSED

        run(check())

    def test_it_is_decided_at_the_latest_when_the_last_probe_is_overdue(self, clock: JumpingClock) -> None:
        async def check() -> None:
            breaker = await half_opened(clock)
            for _ in range(3):
                breaker.acquire()
                await clock.advance(10)
            assert breaker.wait() == 50.0
            await clock.advance(50)
            assert (breaker.state, breaker.wait()) == (OPEN, 60.0)

        run(check())

    def test_a_hung_probe_is_slow_too(self, clock: JumpingClock) -> None:
        async def check() -> None:
            breaker = await half_opened(clock, failure_rate=1.0, slow_rate=0.5)
            for _ in range(2):
                breaker.acquire()
            await use(breaker, None)
            await clock.advance(60)
            assert breaker.state is OPEN

        run(check())

    def test_only_the_first_end_of_a_permit_counts(self, clock: JumpingClock) -> None:
        async def check() -> None:
            breaker = await half_opened(clock)
            probe = breaker.acquire()
            for _ in range(5):
                probe.done()
            assert breaker.status().calls == 1

        run(check())
