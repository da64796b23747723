"""A limit on how long something may take, whether it has a timer of its own or shares one."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from emonk.clock import SYSTEM_CLOCK
from emonk.errors import DeadlineExceeded
from emonk.resilience.deadline import Deadlines, within
from emonk.testing.virtual_loop import SimClock, run

Limited = Callable[[Coroutine[Any, Any, str]], Coroutine[Any, Any, str]]
SECONDS = 5.0


def alone(work: Coroutine[Any, Any, str]) -> Coroutine[Any, Any, str]:
    return within(SECONDS, work, clock=SYSTEM_CLOCK, what="the work")


def shared(work: Coroutine[Any, Any, str]) -> Coroutine[Any, Any, str]:
    return Deadlines(SECONDS, SYSTEM_CLOCK).within(work, "the work")


both = pytest.mark.parametrize("limited", [alone, shared])


async def working(clock: SimClock, seconds: float) -> str:
    await clock.sleep(seconds)
    return "done"


@both
def test_what_ends_in_time_gives_its_result_and_is_not_cancelled_later(limited: Limited) -> None:
    async def main(clock: SimClock) -> str:
        said = await limited(working(clock, 4))
        await clock.sleep(10)
        return said

    assert run(main) == "done"


@both
def test_what_takes_longer_is_cut_off_and_its_task_is_as_before(limited: Limited) -> None:
    async def main(clock: SimClock) -> None:
        began = clock.monotonic()
        with pytest.raises(DeadlineExceeded, match="the work took longer than 5 s"):
            await limited(working(clock, 100))
        assert clock.monotonic() - began == SECONDS
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        await clock.sleep(1)

    run(main)


@both
@pytest.mark.parametrize("after", [1.0, SECONDS])
def test_who_is_cancelled_by_others_stays_cancelled(limited: Limited, after: float) -> None:
    async def main(clock: SimClock) -> None:
        task = asyncio.create_task(limited(working(clock, 100)))
        await clock.sleep(after)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main)


@both
def test_an_error_of_its_own_after_the_time_is_over_is_told(limited: Limited) -> None:
    async def stubborn(clock: SimClock) -> str:
        try:
            return await working(clock, 100)
        except asyncio.CancelledError:
            raise ValueError("could not clean up") from None

    async def main(clock: SimClock) -> None:
        with pytest.raises(ValueError, match="could not clean up"):
            await limited(stubborn(clock))
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0

    run(main)


def test_many_share_a_limit_and_each_has_his_own_time() -> None:
    async def main(clock: SimClock) -> list[Any]:
        deadlines = Deadlines(SECONDS, SYSTEM_CLOCK)

        async def one(start: float, seconds: float) -> str:
            await clock.sleep(start)
            return await deadlines.within(working(clock, seconds), "it")

        times = [(0, 4), (1, 6), (2, 4.5), (3, 100)]
        return await asyncio.gather(*(one(*each) for each in times), return_exceptions=True)

    results = run(main)
    assert [isinstance(one, DeadlineExceeded) for one in results] == [False, True, False, True]


def test_nobody_is_cut_off_after_it_was_closed() -> None:
    async def main(clock: SimClock) -> str:
        deadlines = Deadlines(SECONDS, SYSTEM_CLOCK)
        work = asyncio.create_task(deadlines.within(working(clock, 100), "it"))
        await clock.sleep(1)
        deadlines.close()
        return await work

    assert run(main) == "done"
