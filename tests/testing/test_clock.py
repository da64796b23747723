"""The manual clock: time moves when told, and only then."""

import asyncio

from emonk.clock import Clock, timestamp
from emonk.testing.clock import ManualClock


def test_time_stands_still_until_it_is_advanced() -> None:
    async def main() -> None:
        clock = ManualClock(start=5.0, epoch=100.0)
        assert (clock.monotonic(), clock.time()) == (5.0, 100.0)
        await clock.advance(2.5)
        assert (clock.monotonic(), clock.time()) == (7.5, 102.5)
        assert timestamp(clock) == 102_500_000

    asyncio.run(main())


def test_sleepers_wake_in_the_order_they_are_due_each_at_its_own_time() -> None:
    async def main() -> None:
        clock = ManualClock(start=0.0)
        woken: list[tuple[str, float]] = []

        async def sleeper(name: str, seconds: float) -> None:
            await clock.sleep(seconds)
            woken.append((name, clock.monotonic()))

        async with asyncio.TaskGroup() as tasks:
            for name, seconds in (("c", 3), ("a", 1), ("b", 2), ("a2", 1)):
                tasks.create_task(sleeper(name, seconds))
            await clock.advance(2)
            assert woken == [("a", 1.0), ("a2", 1.0), ("b", 2.0)]
            await clock.advance(1)
        assert woken[-1] == ("c", 3.0)
        assert clock.slept == [3, 1, 2, 1]

    asyncio.run(main())


def test_one_advance_carries_a_task_through_several_sleeps() -> None:
    async def main() -> None:
        clock = ManualClock(start=0.0)
        ticks: list[float] = []

        async def ticker() -> None:
            for _ in range(4):
                await clock.sleep(0.5)
                ticks.append(clock.monotonic())

        task = asyncio.create_task(ticker())
        await clock.advance(10)
        await task
        assert ticks == [0.5, 1.0, 1.5, 2.0]
        assert clock.monotonic() == 10

    asyncio.run(main())


def test_a_cancelled_sleeper_is_forgotten() -> None:
    async def main() -> None:
        clock = ManualClock()
        task = asyncio.create_task(clock.sleep(1))
        await clock.wait_for_sleepers()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert clock.sleepers == 0
        await clock.advance(5)

    asyncio.run(main())


def test_sleeping_for_nothing_needs_no_advance() -> None:
    async def main() -> None:
        clock: Clock = ManualClock()
        await clock.sleep(0)
        await clock.sleep(-1)

    asyncio.run(main())


def test_waiting_for_sleepers_ends_when_enough_of_them_sleep() -> None:
    async def main() -> None:
        clock = ManualClock()
        waiting = asyncio.create_task(clock.wait_for_sleepers(2))
        first = asyncio.create_task(clock.sleep(1))
        await asyncio.sleep(0)
        assert not waiting.done()
        second = asyncio.create_task(clock.sleep(1))
        await waiting
        await clock.advance(1)
        await asyncio.gather(first, second)

    asyncio.run(main())
