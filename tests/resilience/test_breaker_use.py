"""A breaker around a block, by hand, watched, and with settings that make no sense."""

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from emonk import CircuitBreaker, CircuitState
from emonk.errors import (
    CircuitOpen,
    InvalidConfig,
    RateLimited,
    Unavailable,
)
from emonk.resilience.breaker_events import BreakerEvent, BreakerStatus
from tests.resilience.breaker_calls import (
    Dependency,
    JumpingClock,
    breaker_of,
    failures,
    half_opened,
    use,
)

CLOSED, OPEN, HALF_OPEN = CircuitState.CLOSED, CircuitState.OPEN, CircuitState.HALF_OPEN
BOOM = Unavailable("503")


@pytest.fixture
def clock() -> JumpingClock:
    return JumpingClock()


def run(coroutine: Any) -> None:
    asyncio.run(coroutine)


class TestOut:
    """Permits that are out are counted in every state, until each has come back."""

    def test_calls_under_way_are_out_also_when_their_time_is_long_over(self, clock: JumpingClock) -> None:
        async def check() -> None:
            breaker = breaker_of(clock)
            late = breaker.acquire()
            await use(breaker, *[BOOM] * 10)
            assert (breaker.state, breaker.status().out) == (OPEN, 1)
            await clock.advance(30)
            probe = breaker.acquire()
            await clock.advance(1000)
            assert (breaker.state, breaker.status().out) == (HALF_OPEN, 2)
            breaker.reset()
            for permit in (late, probe, probe):
                permit.done(asyncio.CancelledError())
            assert breaker.status().out == 0

        run(check())


class TestBlocks:
    def test_blocks_of_many_tasks_and_nested_ones_each_end_their_own(self, clock: JumpingClock) -> None:
        async def one(breaker: CircuitBreaker, seconds: float, *, failing: bool) -> None:
            async with breaker, breaker:
                await clock.sleep(seconds)
                if failing:
                    raise BOOM

        async def check() -> None:
            breaker = breaker_of(clock, min_calls=100)
            tasks = [asyncio.create_task(one(breaker, 31 - number, failing=number < 2)) for number in range(5)]
            await clock.advance(40)
            await asyncio.gather(*tasks, return_exceptions=True)
            assert breaker.status() == BreakerStatus("gemini", CLOSED, 10, 4, 2, 0.0)

        run(check())

    def test_the_block_has_the_permit(self, clock: JumpingClock) -> None:
        async def check() -> None:
            breaker = await half_opened(clock)
            async with breaker as permit:
                assert permit.probe
                permit.done(BOOM)
            assert breaker.status() == BreakerStatus("gemini", HALF_OPEN, 1, 1, 0, 0.0)

        run(check())

    def test_a_block_left_in_another_task_returns_its_permit(self, clock: JumpingClock) -> None:
        async def words(breaker: CircuitBreaker) -> AsyncIterator[str]:
            async with breaker:
                yield "first"
                yield "second"

        async def check() -> None:
            breaker = await half_opened(clock, half_open_permits=1)
            stream = words(breaker)
            assert await anext(stream) == "first"
            assert breaker.wait() > 0
            await asyncio.create_task(stream.aclose())  # pyright: ignore[reportAttributeAccessIssue, reportUnknownArgumentType, reportUnknownMemberType]
            assert breaker.wait() == 0.0

        run(check())


class TestByHand:
    def test_open_for_exactly_so_long(self, clock: JumpingClock) -> None:
        async def check() -> None:
            breaker = CircuitBreaker("gemini", clock=clock, random=lambda: 0.99)
            breaker.open(7)
            assert (breaker.state, breaker.wait()) == (OPEN, 7.0)
            with pytest.raises(CircuitOpen, match="opened by hand"):
                await breaker.call(Dependency(clock))
            await clock.advance(7)
            assert breaker.state is HALF_OPEN
            breaker.open()
            assert (breaker.state, breaker.wait()) == (OPEN, 30.0)

        run(check())

    def test_the_first_open_time_holds_after_a_quiet_window_by_hand_as_well(self, clock: JumpingClock) -> None:
        async def check() -> None:
            breaker = await half_opened(clock)
            await use(breaker, *failures(3))
            await clock.advance(60)
            await use(breaker, None, None, None)
            await clock.advance(60)
            breaker.open()
            await clock.advance(30)
            await use(breaker, *failures(3))
            assert breaker.wait() == 60.0

        run(check())

    def test_reset_begins_anew(self, clock: JumpingClock) -> None:
        async def check() -> None:
            breaker = await half_opened(clock)
            probe = breaker.acquire()
            await use(breaker, BOOM, BOOM)
            probe.done(BOOM)
            breaker.cool_down(1000)
            breaker.reset()
            assert breaker.status() == BreakerStatus("gemini", CLOSED, 0, 0, 0, 0.0)
            await use(breaker, *failures(10))
            assert breaker.wait() == 30.0

        run(check())

    def test_calls_on_their_way_at_a_reset_do_not_count(self, clock: JumpingClock) -> None:
        breaker = breaker_of(clock)
        permit = breaker.acquire()
        breaker.reset()
        permit.done(BOOM)
        assert breaker.status().calls == 0

    def test_a_very_long_opening_can_still_be_said(self, clock: JumpingClock) -> None:
        breaker = breaker_of(clock)
        breaker.open(1e300)
        with pytest.raises(CircuitOpen, match="9999-12-31 23:59:59 UTC"):
            breaker.acquire()


class TestEvents:
    def test_tell_what_happened_and_why(self, clock: JumpingClock) -> None:
        async def check() -> None:
            breaker = breaker_of(clock)
            events: list[BreakerEvent] = []
            breaker.subscribe(events.append)
            await use(breaker, *failures(11))
            await clock.advance(30)
            await use(breaker, RateLimited("429", retry_after=2.0))
            await clock.advance(2)
            await use(breaker, None, None, None)
            told = [(event.kind, event.before, event.state, event.wait, event.reason) for event in events]
            assert told == [
                ("state", CLOSED, OPEN, 30.0, "10 of 10 calls failed"),
                ("refused", OPEN, OPEN, 30.0, "10 of 10 calls failed"),
                ("state", OPEN, HALF_OPEN, 0.0, "its open time is over"),
                ("cool_down", HALF_OPEN, HALF_OPEN, 2.0, "asked not to be called for 2 s"),
                ("state", HALF_OPEN, CLOSED, 0.0, "its probes succeeded"),
            ]
            assert {event.name for event in events} == {"gemini"}
            assert events[-1].at == int(clock.time() * 1_000_000)

        run(check())

    def test_a_listener_that_raises_is_logged_and_changes_nothing(
        self, clock: JumpingClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        def broken(event: BreakerEvent) -> None:
            raise ZeroDivisionError

        async def check() -> None:
            breaker = breaker_of(clock)
            events: list[BreakerEvent] = []
            breaker.subscribe(broken)
            breaker.subscribe(events.append)
            await use(breaker, *failures(10))
            assert breaker.state is OPEN
            assert len(events) == 1

        with caplog.at_level(logging.ERROR, "emonk.resilience"):
            run(check())
        assert "a listener of circuit breaker gemini failed" in caplog.text
        assert "ZeroDivisionError" in caplog.text

    def test_a_coroutine_function_is_refused_and_a_coroutine_logged(
        self, clock: JumpingClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def late(event: BreakerEvent) -> None: ...

        breaker = breaker_of(clock)
        with pytest.raises(InvalidConfig, match="listener"):
            breaker.subscribe(late)
        with pytest.raises(InvalidConfig, match="listener"):
            breaker.subscribe(None)  # pyright: ignore[reportArgumentType]
        breaker.subscribe(lambda event: late(event) if event.wait else None)
        breaker.open()
        assert "returned a coroutine" in caplog.text

    def test_a_listener_may_use_the_breaker(self, clock: JumpingClock) -> None:
        async def check() -> None:
            breaker = breaker_of(clock)
            breaker.subscribe(lambda event: breaker.reset() if event.state is OPEN else None)
            await use(breaker, *failures(25))
            assert breaker.status() == BreakerStatus("gemini", CLOSED, 5, 5, 0, 0.0)

        run(check())

    def test_who_leaves_hears_no_more(self, clock: JumpingClock) -> None:
        breaker = breaker_of(clock)
        events: list[BreakerEvent] = []
        leave = breaker.subscribe(events.append)
        breaker.subscribe(events.append)
        leave()
        leave()
        breaker.open()
        assert len(events) == 1


NAN, INF = float("nan"), float("inf")
RATES = [0, 0.0, -0.1, 1.01, 50, NAN, INF, True, "0.5", None]
TIMES = [0, -1.0, NAN, INF, True, "30", None]
COUNTS = [0, -1, 2.5, 10.0, True, "10", None]
SENSELESS = [
    *[("failure_rate", value) for value in RATES],
    *[("slow_rate", value) for value in RATES],
    *[("slow_after", value) for value in [0, -1.0, NAN, -INF, True, "30"]],
    *[(name, value) for name in ("window", "open_for", "max_open_for", "half_open_timeout") for value in TIMES],
    *[(name, value) for name in ("min_calls", "half_open_permits") for value in COUNTS],
    ("window", 1e-300),
    ("max_open_for", 29.9),
    *[("jitter", value) for value in [-0.1, 1.1, NAN, True, "no"]],
    *[("clock", value) for value in [None, 5, asyncio]],
    *[("random", value) for value in [None, 0.5]],
]


class TestBadInput:
    @pytest.mark.parametrize(("setting", "value"), SENSELESS, ids=str)
    def test_a_senseless_setting_is_refused_by_name(self, setting: str, value: Any) -> None:
        with pytest.raises(InvalidConfig, match=setting):
            CircuitBreaker("gemini", **{setting: value})

    @pytest.mark.parametrize("name", ["", None, 5])
    def test_a_breaker_needs_a_name(self, name: Any) -> None:
        with pytest.raises(InvalidConfig, match="name"):
            CircuitBreaker(name)

    @pytest.mark.parametrize("seconds", [0, -1.0, NAN, INF, True, "30"])
    def test_open_and_cool_down_take_seconds(self, clock: JumpingClock, seconds: Any) -> None:
        breaker = breaker_of(clock)
        with pytest.raises(InvalidConfig, match="seconds"):
            breaker.open(seconds)
        if seconds != 0:
            with pytest.raises(InvalidConfig, match="seconds"):
                breaker.cool_down(seconds)
        assert breaker.status() == BreakerStatus("gemini", CLOSED, 0, 0, 0, 0.0)

    def test_a_coroutine_instead_of_a_function_is_refused_without_a_call(self, clock: JumpingClock) -> None:
        async def check() -> None:
            breaker = breaker_of(clock)
            with pytest.raises(InvalidConfig, match="coroutine"):
                await breaker.call(asyncio.sleep(0))  # pyright: ignore[reportCallIssue, reportArgumentType]
            with pytest.raises(InvalidConfig, match="fn is None"):
                await breaker.call(None)  # pyright: ignore[reportCallIssue, reportArgumentType]
            assert breaker.status().calls == 0

        run(check())

    def test_the_settings_are_those_of_the_contract(self) -> None:
        parameters = inspect.signature(CircuitBreaker).parameters
        defaults = {name: parameter.default for name, parameter in parameters.items() if name not in ("name", "random")}
        assert {name: value for name, value in defaults.items() if name not in ("clock", "jitter")} == {
            "failure_rate": 0.5,
            "slow_rate": 0.8,
            "slow_after": 30.0,
            "window": 60.0,
            "min_calls": 10,
            "open_for": 30.0,
            "max_open_for": 300.0,
            "half_open_permits": 3,
            "half_open_timeout": 60.0,
        }
