"""Runs a coroutine on a clock that a test moves."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from emonk.testing.clock import ManualClock

T = TypeVar("T")


async def finish(clock: ManualClock, work: Coroutine[Any, Any, T], *, seconds: float = 100_000.0) -> T:
    """What the work comes to when so much time passes."""
    task = asyncio.ensure_future(work)
    await clock.advance(seconds)
    if not task.done():
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        raise AssertionError(f"not done after {seconds} s")
    return await task


def failing(
    *errors: Exception | None, result: str = "done"
) -> tuple[Callable[[], Coroutine[Any, Any, str]], list[int]]:
    """A function that raises these errors, one each call and the last one for ever; None succeeds. And its calls."""
    calls: list[int] = []

    async def call() -> str:
        calls.append(len(calls) + 1)
        error = errors[min(len(calls), len(errors)) - 1]
        if error is not None:
            raise error
        return result

    return call, calls
