"""Tools that block, raise what ends a process, or never come back: they are the only ones to suffer."""

import asyncio
import concurrent.futures
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any, NoReturn

import pytest

from emonk.skills.function import Tool, tool
from emonk.skills.threads import LIMIT, Threads
from tests.skills.calls import context


class Strange(BaseException):
    """Neither an Exception nor one that Python knows; it cannot even be printed."""

    def __str__(self) -> str:
        raise SystemExit("not even its text")


FATAL: list[Callable[[], BaseException]] = [
    lambda: SystemExit(3),
    KeyboardInterrupt,
    StopIteration,
    asyncio.CancelledError,
    GeneratorExit,
    Strange,
    lambda: BaseExceptionGroup("all", [KeyboardInterrupt()]),
]


def failure(called: Tool[..., Any]) -> Exception:
    """How a call fails, in a loop that must live on."""

    async def main() -> Exception:
        call = asyncio.create_task(called.run({}, context()))
        await asyncio.wait({call})
        error = call.exception()
        assert isinstance(error, Exception)
        return error

    return asyncio.run(main())


@pytest.mark.parametrize("make", FATAL)
def test_whatever_a_function_raises_in_its_thread_is_an_ordinary_error(make: Callable[[], BaseException]) -> None:
    raised = make()

    @tool
    def fail() -> NoReturn:
        raise raised

    error = failure(fail)
    assert type(error) is RuntimeError
    assert type(raised).__name__ in str(error)
    assert error.__cause__ is raised


@pytest.mark.parametrize("make", [make for make in FATAL if make not in (asyncio.CancelledError, GeneratorExit)])
@pytest.mark.parametrize("late", [False, True])
def test_whatever_an_async_tool_raises_is_an_ordinary_error(make: Callable[[], BaseException], late: bool) -> None:
    raised = make()

    async def fail() -> NoReturn:
        raise raised

    def hand_over() -> Any:
        return fail()

    error = failure(tool(hand_over if late else fail))
    assert type(error) is RuntimeError
    assert type(raised).__name__ in f"{error} {error.__cause__!r}"


def test_the_cancelled_future_of_another_executor_is_no_cancellation_of_the_call() -> None:
    @tool
    def fail() -> NoReturn:
        raise concurrent.futures.CancelledError

    assert type(failure(fail)) is concurrent.futures.CancelledError


def test_blocked_tools_leave_name_look_ups_and_others_alone() -> None:
    release = threading.Event()

    @tool
    def block() -> None:
        release.wait()

    @tool
    def work() -> str:
        return "done"

    async def main() -> None:
        blocked = [asyncio.create_task(block.run({}, context())) for _ in range(LIMIT - 1)]
        await asyncio.sleep(0)
        assert await work.run({}, context()) == "done"
        assert await asyncio.get_running_loop().getaddrinfo("127.0.0.1", 1)
        release.set()
        await asyncio.gather(*blocked)

    asyncio.run(main())


def test_no_more_functions_run_at_once_than_allowed_and_the_others_follow() -> None:
    threads, release = Threads(2), threading.Event()
    lock, running, most = threading.Lock(), 0, 0

    def count() -> str:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        release.wait()
        with lock:
            running -= 1
        return threading.current_thread().name

    async def main() -> list[str]:
        calls = [asyncio.create_task(threads.run(count)) for _ in range(10)]
        await asyncio.sleep(0)
        release.set()
        return await asyncio.gather(*calls)

    names = asyncio.run(main())
    assert len(names) == 10
    assert most <= 2
    assert len(set(names)) <= 2


def test_a_call_that_is_cancelled_before_it_began_never_runs() -> None:
    threads, release = Threads(1), threading.Event()
    ran: list[str] = []

    async def main() -> None:
        begun = asyncio.Event()
        loop = asyncio.get_running_loop()

        def block() -> None:
            loop.call_soon_threadsafe(begun.set)
            release.wait()

        first = asyncio.create_task(threads.run(block))
        await begun.wait()
        second = asyncio.create_task(threads.run(lambda: ran.append("second")))
        third = asyncio.create_task(threads.run(lambda: ran.append("third")))
        await asyncio.sleep(0)
        for call in (first, second):
            call.cancel()
        await asyncio.wait({first, second})
        assert first.cancelled()
        assert second.cancelled()
        release.set()
        await third

    asyncio.run(main())
    assert ran == ["third"]


def test_a_function_that_outlives_its_loop_harms_nobody() -> None:
    threads, begun, release = Threads(1), threading.Event(), threading.Event()

    def block() -> None:
        begun.set()
        release.wait()

    async def abandon() -> None:
        call = asyncio.create_task(threads.run(block))
        await asyncio.to_thread(begun.wait)
        call.cancel()

    async def use() -> str:
        return await threads.run(lambda: "again")

    asyncio.run(abandon())
    release.set()
    assert asyncio.run(use()) == "again"


BLOCKED = """
import asyncio, threading
from emonk.skills.function import tool
from tests.skills.calls import context

begun = threading.Event()

@tool
def block() -> None:
    begun.set()
    threading.Event().wait()

async def main() -> None:
    call = asyncio.create_task(block.run({}, context()))
    await asyncio.to_thread(begun.wait)
    call.cancel()

asyncio.run(main())
print("ended")
"""


def test_a_blocked_tool_does_not_keep_the_process_from_ending() -> None:
    ended = subprocess.run([sys.executable, "-c", BLOCKED], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "ended\n", "")


FORKED = """
import asyncio, os
from emonk.skills.function import tool
from tests.skills.calls import context

@tool
def work() -> str:
    return "done"

def run() -> str:
    return asyncio.run(work.run({}, context()))

run()
child = os.fork()
if not child:
    os.write(1, run().encode())
    os._exit(0)
os.waitpid(child, 0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this machine")
def test_a_forked_child_has_threads_of_its_own() -> None:
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKED], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stdout) == (0, "done")
