"""A guard composes its parts in one order, and an outage costs little."""

import asyncio
import gc
import warnings
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from emonk.errors import CircuitOpen, DeadlineExceeded, InvalidConfig, QuotaExhausted, RateLimited, Unavailable
from emonk.resilience.breaker_events import CircuitState
from emonk.resilience.guard import Guard
from emonk.resilience.guards import Guards
from emonk.resilience.section import BreakerSection, ComponentSection, ResilienceSection
from emonk.testing.clock import ManualClock
from emonk.testing.virtual_loop import SimClock, run

DOWN = Unavailable("down")


class Remote:
    """A dependency that fails as it is told, and notes when it was asked."""

    def __init__(self, clock: SimClock, *, error: Exception | None = None, seconds: float = 0.0) -> None:
        self.clock = clock
        self.error = error
        self.seconds = seconds
        self.asked: list[float] = []

    async def ask(self) -> str:
        self.asked.append(self.clock.monotonic())
        if self.seconds:
            await self.clock.sleep(self.seconds)
        if self.error is not None:
            raise self.error
        return "yes"


def guard_of(clock: SimClock, **settings: object) -> Guard:
    section = ResilienceSection(models=ComponentSection(**settings))  # pyright: ignore[reportArgumentType]
    return Guards(section, clock=clock, random=lambda: 0.5).of("models", "remote")


async def failed(call: Awaitable[object]) -> Exception:
    (error,) = await asyncio.gather(call, return_exceptions=True)
    assert isinstance(error, Exception), error
    return error


def test_a_call_passes_through() -> None:
    async def main(clock: SimClock) -> None:
        async def add(one: int, two: int) -> int:
            return one + two

        assert await guard_of(clock).call(add, 1, two=2) == 3

    run(main)


def test_a_call_that_is_given_up_before_its_first_step_leaves_nothing_behind() -> None:
    async def fn() -> str:
        return "never begun"

    async def main() -> None:
        guard = Guards(clock=ManualClock()).of("models", "remote")
        task = asyncio.ensure_future(guard.call(fn, attempt_timeout=5))
        await asyncio.sleep(0)
        for each in asyncio.all_tasks() - {asyncio.current_task()}:
            each.cancel()  # the attempt, too, as when a process stops
        await asyncio.gather(task, return_exceptions=True)

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        asyncio.run(main())
        gc.collect()
    assert [str(one.message) for one in told] == []


def test_a_plain_function_is_called_as_well_and_what_it_returns_is_awaited_if_it_can_be() -> None:
    async def main(clock: SimClock) -> None:
        remote = Remote(clock)
        guard = guard_of(clock, timeout=5.0)
        assert await guard.call(len, "four") == 4

        def begin() -> Awaitable[str]:
            return remote.ask()

        assert await guard.call(begin) == "yes"
        assert guard.status().breaker.failures == 0

    run(main)


@pytest.mark.parametrize("fn", [None, "ask", object()])
def test_what_is_no_function_is_refused_and_says_nothing_of_the_dependency(fn: object) -> None:
    async def main(clock: SimClock) -> None:
        guard: Any = guard_of(clock)
        assert isinstance(await failed(guard.call(fn)), InvalidConfig)
        assert isinstance(await failed(guard.call(Remote(clock).ask())), InvalidConfig)
        assert (guard.status().breaker.calls, guard.limit.running) == (0, 0)

    run(main)


@pytest.mark.parametrize("deadline", [float("nan"), "5", True, []])
def test_a_deadline_that_is_no_time_is_refused(deadline: object) -> None:
    async def main(clock: SimClock) -> None:
        guard: Any = guard_of(clock)
        remote = Remote(clock)
        error = await failed(guard.call(remote.ask, deadline=deadline))
        assert isinstance(error, InvalidConfig)
        assert "deadline is" in str(error)
        assert not remote.asked

    run(main)


def test_a_fault_is_retried_and_each_attempt_is_recorded() -> None:
    async def main(clock: SimClock) -> None:
        guard, remote = guard_of(clock, jitter=False), Remote(clock, error=DOWN)
        error = await failed(guard.call(remote.ask))
        assert error is DOWN
        start = remote.asked[0]
        assert [round(at - start) for at in remote.asked] == [0, 1, 3, 7, 15, 31]
        assert guard.breaker.status().failures == 6

    run(main)


def test_the_deadline_comes_first() -> None:
    """Before the budget, the breaker, the limit and the call."""

    async def main(clock: SimClock) -> None:
        guard, remote = guard_of(clock), Remote(clock)
        guard.breaker.open(60)
        error = await failed(guard.call(remote.ask, deadline=clock.monotonic()))
        assert isinstance(error, DeadlineExceeded)
        assert not remote.asked

    run(main)


def test_an_open_breaker_refuses_before_the_queue() -> None:
    async def main(clock: SimClock) -> None:
        guard, remote = guard_of(clock, at_once=1, queue=0), Remote(clock, seconds=10)
        busy = asyncio.create_task(guard.call(remote.ask))
        await clock.sleep(1)
        guard.breaker.open(60)
        error = await failed(guard.call(remote.ask))
        assert isinstance(error, CircuitOpen)
        assert "unavailable until" in error.message
        assert len(remote.asked) == 1
        assert await busy == "yes"

    run(main)


def test_a_long_line_refuses_at_once_and_is_not_retried() -> None:
    async def main(clock: SimClock) -> None:
        guard, remote = guard_of(clock, at_once=1, queue=1), Remote(clock, seconds=10)
        first, second = (asyncio.create_task(guard.call(remote.ask)) for _ in range(2))
        await clock.sleep(1)
        before = clock.monotonic()
        error = await failed(guard.call(remote.ask))
        assert isinstance(error, Unavailable)
        assert error.code == "overloaded"
        assert clock.monotonic() == before
        assert await asyncio.gather(first, second) == ["yes", "yes"]
        assert guard.breaker.status().failures == 0

    run(main)


def test_who_waits_for_a_retry_takes_no_ones_place() -> None:
    async def main(clock: SimClock) -> None:
        guard = guard_of(clock, at_once=1, queue=0, jitter=False)
        ill, well = Remote(clock, error=DOWN), Remote(clock)
        waiting = asyncio.create_task(failed(guard.call(ill.ask)))
        await clock.sleep(0.5)
        assert await guard.call(well.ask) == "yes"
        assert await waiting is DOWN

    run(main)


def test_no_retry_is_sent_into_a_breaker_that_opened_meanwhile() -> None:
    async def main(clock: SimClock) -> None:
        guard, remote = guard_of(clock, jitter=False), Remote(clock, error=DOWN)
        call = asyncio.create_task(failed(guard.call(remote.ask)))
        await clock.sleep(0.5)
        guard.breaker.open(60)
        assert await call is DOWN  # what happened, not that nothing more did
        assert len(remote.asked) == 1

    run(main)


def test_a_probe_is_one_attempt() -> None:
    async def main(clock: SimClock) -> None:
        guard, remote = guard_of(clock), Remote(clock, error=DOWN)
        guard.breaker.open(30)
        await clock.sleep(31)
        errors = await asyncio.gather(*(failed(guard.call(remote.ask)) for _ in range(100)))
        assert len(remote.asked) == 3
        assert sum(error is DOWN for error in errors) == 3
        assert guard.breaker.state is CircuitState.OPEN

    run(main)


def test_what_may_not_be_repeated_is_sent_once() -> None:
    async def main(clock: SimClock) -> None:
        guard, remote = guard_of(clock), Remote(clock, error=DOWN)
        assert await failed(guard.call(remote.ask, repeatable=False)) is DOWN
        assert len(remote.asked) == 1

    run(main)


@pytest.mark.parametrize("error", [InvalidConfig("wrong key"), QuotaExhausted("tomorrow")], ids=repr)
def test_what_waiting_does_not_mend_is_sent_once(error: Exception) -> None:
    async def main(clock: SimClock) -> None:
        guard, remote = guard_of(clock), Remote(clock, error=error)
        assert await failed(guard.call(remote.ask)) is error
        assert len(remote.asked) == 1

    run(main)


def test_nobody_asks_again_before_the_time_that_a_server_named() -> None:
    """Neither the one who was told, nor anybody else."""

    async def main(clock: SimClock) -> None:
        guard, remote = guard_of(clock, jitter=True), Remote(clock, error=RateLimited("later", retry_after=7))
        told = asyncio.create_task(guard.call(remote.ask))
        await clock.sleep(1)
        other = await failed(guard.call(remote.ask))
        assert isinstance(other, CircuitOpen)
        assert other.retry_after == pytest.approx(6)
        remote.error = None
        assert await told == "yes"
        assert remote.asked[1] - remote.asked[0] >= 7
        assert len(remote.asked) == 2

    run(main)


def test_an_attempt_has_its_own_time() -> None:
    async def main(clock: SimClock) -> None:
        guard, remote = guard_of(clock, timeout=5, retries=1, jitter=False), Remote(clock, seconds=60)
        error = await failed(guard.call(remote.ask))
        assert isinstance(error, DeadlineExceeded)
        assert [round(at - remote.asked[0]) for at in remote.asked] == [0, 6]
        assert guard.breaker.status().failures == 2

    run(main)


@pytest.mark.parametrize(("seconds", "deadline", "failures"), [(10, 10, 0), (31, 31, 1), (31, 300, 0), (31, None, 0)])
def test_a_call_that_its_deadline_cuts_off_counts_once_it_was_slow(
    seconds: float, deadline: float | None, failures: int
) -> None:
    """One that its user cancels never does."""

    async def main(clock: SimClock) -> None:
        guard, remote = guard_of(clock), Remote(clock, seconds=1000)
        until = None if deadline is None else clock.monotonic() + deadline
        call = asyncio.create_task(guard.call(remote.ask, deadline=until))
        await clock.sleep(seconds)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        assert guard.breaker.status().failures == failures
        assert guard.limit.running == 0

    run(main)


def test_a_tool_may_take_its_time_and_is_not_slow_for_that() -> None:
    async def main(clock: SimClock) -> None:
        guard, remote = Guards(clock=clock).of("skills", "review"), Remote(clock, seconds=100)
        for _ in range(12):
            assert await guard.call(remote.ask) == "yes"
        assert guard.breaker.state is CircuitState.CLOSED

    run(main)


def test_a_failure_that_asks_for_a_year_is_looked_at_again_after_the_longest_open_time() -> None:
    async def main(clock: SimClock) -> None:
        guard, remote = guard_of(clock), Remote(clock, error=Unavailable("503", retry_after=31_536_000))
        await failed(guard.call(remote.ask))
        assert guard.wait() == pytest.approx(300)

    run(main)


def test_a_cancelled_probe_returns_its_permit() -> None:
    async def main(clock: SimClock) -> None:
        guard, remote = guard_of(clock), Remote(clock, seconds=20)
        guard.breaker.open(30)
        await clock.sleep(31)
        probes = [asyncio.create_task(guard.call(remote.ask)) for _ in range(3)]
        await clock.sleep(1)
        for probe in probes:
            probe.cancel()
        await asyncio.gather(*probes, return_exceptions=True)
        assert await guard.call(remote.ask) == "yes"

    run(main)


async def load(
    clock: SimClock, guard: Guard, remote: Callable[[], Awaitable[str]], *, every: float, until: float
) -> int:
    """Callers that come at a steady pace and do not wait for each other; how many there were."""
    calls: list[asyncio.Task[object]] = []
    while clock.monotonic() < until:
        calls.append(asyncio.create_task(guard.call(remote, deadline=clock.monotonic() + 60)))
        await clock.sleep(every)
    await asyncio.gather(*calls, return_exceptions=True)
    return len(calls)


@pytest.mark.parametrize("every", [0.1, 1.0, 10.0])
@pytest.mark.parametrize("seconds", [0.0, 2.0, 45.0])
def test_an_outage_of_ten_minutes_costs_at_most_a_fifth_more_requests(every: float, seconds: float) -> None:
    async def main(clock: SimClock) -> None:
        guard, remote = guard_of(clock), Remote(clock, error=DOWN, seconds=seconds)
        wanted = await load(clock, guard, remote.ask, every=every, until=clock.monotonic() + 600)
        assert len(remote.asked) <= 1.2 * wanted

    run(main)


def test_service_is_back_within_one_open_period_of_the_end_of_an_outage() -> None:
    async def main(clock: SimClock) -> None:
        section = ResilienceSection(models=ComponentSection(breaker=BreakerSection(max_open_for=60)))
        guard = Guards(section, clock=clock, random=lambda: 0.999).of("models", "remote")
        remote = Remote(clock, error=DOWN)
        await load(clock, guard, remote.ask, every=0.5, until=clock.monotonic() + 600)
        remote.error = None
        over = clock.monotonic()
        while isinstance(await asyncio.gather(guard.call(remote.ask), return_exceptions=True), list):
            if guard.breaker.state is CircuitState.CLOSED:
                break
            await clock.sleep(0.5)
        assert clock.monotonic() - over <= 60 * 1.1 + 1

    run(main)


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_jump_of_the_wall_clock_changes_nothing(hours: int) -> None:
    async def main(clock: SimClock) -> None:
        guard, remote = guard_of(clock), Remote(clock, error=DOWN)
        guard.breaker.open(30)
        clock.jump(hours * 3600)
        assert guard.wait() == pytest.approx(30)
        assert isinstance(await failed(guard.call(remote.ask)), CircuitOpen)
        await clock.sleep(31)
        remote.error = None
        assert await guard.call(remote.ask) == "yes"

    run(main)


def test_the_last_good_answer_is_given_with_its_age_while_the_outside_fails() -> None:
    async def main(clock: SimClock) -> None:
        guard, remote = guard_of(clock, retries=2, first_delay=2.0, jitter=False), Remote(clock)
        fresh = await guard.call_or_last("news", remote.ask)
        assert (fresh.value, fresh.age_seconds) == ("yes", None)
        remote.error = DOWN
        before = clock.monotonic()
        old = await guard.call_or_last("news", remote.ask)
        assert (old.value, old.age_seconds) == ("yes", pytest.approx(6.0))
        assert clock.monotonic() - before == pytest.approx(6.0)
        assert len(remote.asked) == 4
        assert await failed(guard.call_or_last("weather", remote.ask)) is DOWN

    run(main)


def test_guards_are_kept_by_kind_and_name() -> None:
    async def main(clock: SimClock) -> None:
        guards = Guards(clock=clock)
        assert guards.of("models", "a") is guards.of("models", "a")
        assert guards.of("models", "a") is not guards.of("api", "a")
        guards.of("api", "a").breaker.open(10)
        assert guards.wait("api", "a") == pytest.approx(10)
        assert guards.wait("models", "a") == 0
        assert guards.wait("models", "never called") == 0
        assert [(status.name, status.breaker.state) for status in guards.status()] == [
            ("a", CircuitState.CLOSED),
            ("a", CircuitState.OPEN),
        ]

    run(main)


def test_a_file_overrides_what_it_names_and_nothing_else() -> None:
    section = ComponentSection(retries=2)
    assert section.policy("models").retries == 2
    assert section.policy("skills").first == 0
    assert section.policy("models").first == 1
    assert section.places("models").at_once == 256


@pytest.mark.parametrize(
    "settings",
    [{"retries": -1}, {"first_delay": -1}, {"timeout": 0}, {"at_once": 0}, {"queue": -1}, {"max_delay": float("nan")}],
    ids=str,
)
def test_settings_without_sense_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(InvalidConfig):
        ComponentSection(**settings)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("settings", [{"failure_rate": 1.5}, {"min_calls": 0}, {"open_for": 0}, {"max_open_for": 1}])
def test_breakers_without_sense_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(InvalidConfig):
        BreakerSection(**settings)  # pyright: ignore[reportArgumentType]
