"""A process that is killed on a virtual loop does nothing any more, whatever its code has in mind."""

import asyncio
import gc

from emonk.testing.virtual_loop import SimClock, VirtualLoop, run
from emonk.testing.virtual_process import Process, here, living


def kill(process: Process) -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    loop.kill(process)


def test_what_runs_in_a_process_ends_with_it_and_no_handler_runs_before_the_loop_is_closed() -> None:
    done: list[str] = []

    async def main(clock: SimClock) -> list[str]:
        process = Process()

        async def work() -> None:
            asyncio.get_running_loop().call_later(5, done.append, "timer")
            helper = asyncio.create_task(clock.sleep(5))
            helper.add_done_callback(lambda _: done.append("callback"))
            try:
                await clock.sleep(10)
                done.append("went on")
            finally:
                done.append("handler of a dead one" if process.dead else "handler")

        process.begin(work())
        await clock.sleep(1)
        kill(process)
        await clock.sleep(100)
        gc.collect()
        return list(done)

    assert run(main) == []
    assert done == ["handler of a dead one"]


def test_a_step_that_kills_its_own_process_is_its_last() -> None:
    done: list[str] = []

    async def main(clock: SimClock) -> int:
        process = Process()

        async def further() -> None:
            done.append("a task that began after death")

        async def work() -> None:
            kill(process)
            tasks.append(asyncio.create_task(further()))
            await clock.sleep(0)
            done.append("went on")

        tasks = [process.begin(work())]
        await clock.sleep(1)
        return len(living(asyncio.all_tasks()))

    assert run(main) == 1
    assert done == []


def test_the_world_and_other_processes_go_on() -> None:
    async def main(clock: SimClock) -> tuple[float, bool]:
        first, second = Process(), Process()

        async def work() -> bool:
            await clock.sleep(10)
            return here() is second

        lost, kept = first.begin(work()), second.begin(work())
        await clock.sleep(1)
        kill(first)
        found = await kept
        assert not lost.done()
        assert here() is None
        return clock.monotonic(), found

    assert run(main) == (1010.0, True)


def test_code_that_insists_on_waiting_is_disposed_of() -> None:
    async def main(clock: SimClock) -> None:
        process = Process()
        never: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def stubborn() -> None:
            try:
                await never
            finally:
                await asyncio.shield(never)

        process.begin(stubborn())
        await clock.sleep(1)
        kill(process)

    run(main)
    gc.collect()
