"""Time that jumps: exact, the same each time, and never at a standstill for ever."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emonk.errors import DeadlineExceeded
from emonk.resilience.deadline import within
from emonk.testing.virtual_loop import Deadlock, SimClock, run


def test_an_hour_passes_at_once_and_exactly() -> None:
    async def main(clock: SimClock) -> float:
        before = clock.monotonic()
        await clock.sleep(3600)
        return clock.monotonic() - before

    assert run(main) == 3600.0


@given(st.lists(st.just(0.0) | st.floats(1e-6, 1e6), max_size=20))
def test_a_sleep_is_never_too_short(naps: list[float]) -> None:
    async def main(clock: SimClock) -> None:
        for seconds in naps:
            before = clock.monotonic()
            await clock.sleep(seconds)
            assert seconds <= clock.monotonic() - before <= seconds + 1e-5

    run(main)


def test_sleepers_wake_in_the_order_of_their_times() -> None:
    woken: list[int] = []

    async def main(clock: SimClock) -> None:
        async def nap(seconds: int) -> None:
            await clock.sleep(seconds)
            woken.append(seconds)

        await asyncio.gather(*(nap(seconds) for seconds in (30, 10, 20)))

    run(main)
    assert woken == [10, 20, 30]


def test_both_kinds_of_deadline_ring() -> None:
    async def main(clock: SimClock) -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await asyncio.Event().wait()
        with pytest.raises(DeadlineExceeded):
            await within(7, asyncio.sleep(100), clock=clock, what="the nap")
        return clock.monotonic()

    assert run(main) == 1012.0


def test_the_wall_clock_jumps_and_nothing_else_does() -> None:
    async def main(clock: SimClock) -> tuple[float, float]:
        wall, before = clock.time(), clock.monotonic()
        clock.jump(3600)
        await clock.sleep(1)
        clock.jump(-7200)
        return clock.time() - wall, clock.monotonic() - before

    assert run(main) == (-3599.0, 1.0)


def test_what_is_handed_to_a_thread_runs_in_this_one() -> None:
    async def main(_: SimClock) -> threading.Thread:
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 / 0)
        return await asyncio.to_thread(threading.current_thread)

    assert run(main) is threading.current_thread()


async def wait_for_ever(_: SimClock) -> None:
    waiter = asyncio.create_task(asyncio.Event().wait())
    waiter.set_name("the waiter")
    await waiter


async def spin(_: SimClock) -> None:
    while True:  # noqa: ASYNC110 - that is what is wrong with it
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("main", "told"),
    [
        (wait_for_ever, "wait_for_ever.*the waiter in Event.wait, line"),
        (spin, "time stands still at 1000 s.* in .*spin > sleep"),
    ],
)
def test_a_program_that_never_ends_is_told_where_it_is(main: Callable[[SimClock], Any], told: str) -> None:
    with pytest.raises(Deadlock, match=told):
        run(main)


def test_what_is_left_at_the_end_is_cancelled() -> None:
    ended: list[str] = []
    tasks: list[asyncio.Task[None]] = []

    async def linger() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("linger")

    async def main(_: SimClock) -> None:
        tasks.append(asyncio.create_task(linger()))
        await asyncio.sleep(0)

    run(main)
    assert ended == ["linger"]


def test_sets_of_tasks_have_one_order() -> None:
    async def main(_: SimClock) -> list[str]:
        tasks = {asyncio.create_task(asyncio.sleep(0)) for _ in range(50)}
        await asyncio.wait(tasks)
        return [task.get_name() for task in tasks]

    assert run(main) == run(main)
