"""A limit on how long something may take, on whichever clock is in use."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from emonk.clock import Clock, SystemClock
from emonk.errors import DeadlineExceeded
from emonk.resilience.later import Later

T = TypeVar("T")


async def within(seconds: float | None, awaitable: Coroutine[Any, Any, T], *, clock: Clock, what: str) -> T:
    """Await for at most `seconds` of the given clock; None waits without limit.

    Raises:
        DeadlineExceeded: the time ran out; the awaitable was cancelled and has ended.
    """
    if seconds is None:
        return await awaitable
    task = asyncio.current_task()
    if task is None or not isinstance(clock, SystemClock):
        return await _race(seconds, awaitable, clock, what)
    limit = _Limit(task, seconds)
    timer = asyncio.get_running_loop().call_later(seconds, limit.expire)
    try:
        return await limit.over(awaitable, what)
    finally:
        timer.cancel()


class Deadlines:
    """Limits of one length for whatever many tasks do: `within`, without a timer for each."""

    def __init__(self, seconds: float, clock: Clock) -> None:
        self._seconds = seconds
        self._clock = clock
        self._later = Later(seconds)

    def close(self) -> None:
        """Cut nobody off any more."""
        self._later.close()

    async def within(self, awaitable: Coroutine[Any, Any, T], what: str) -> T:
        """See `within`."""
        task = asyncio.current_task()
        if task is None or not isinstance(self._clock, SystemClock):
            return await _race(self._seconds, awaitable, self._clock, what)
        limit = _Limit(task, self._seconds)
        self._later.add(limit, limit.expire)
        try:
            return await limit.over(awaitable, what)
        finally:
            self._later.drop(limit)


class _Limit:
    """Cancels a task; as `asyncio.timeout` does, it takes that back and knows it from a cancellation by others."""

    __slots__ = ("_before", "_expired", "_seconds", "_task")

    def __init__(self, task: "asyncio.Task[Any]", seconds: float) -> None:
        self._task = task
        self._seconds = seconds
        self._before = task.cancelling()
        self._expired = False

    def expire(self) -> None:
        self._expired = True
        self._task.cancel()

    async def over(self, awaitable: Coroutine[Any, Any, T], what: str) -> T:
        """What it returns or raises, where it was not cut off by this."""
        try:
            return await awaitable
        except asyncio.CancelledError as error:
            if self._expired and self._task.cancelling() - 1 <= self._before:
                raise DeadlineExceeded(f"{what} took longer than {self._seconds:g} s") from error
            raise
        finally:
            if self._expired:
                self._task.uncancel()


async def _race(seconds: float, awaitable: Coroutine[Any, Any, T], clock: Clock, what: str) -> T:
    work = asyncio.ensure_future(awaitable)
    alarm = asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait({work, alarm}, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            return work.result()
    finally:
        alarm.cancel()
        work.cancel()
        await asyncio.gather(work, alarm, return_exceptions=True)
    raise DeadlineExceeded(f"{what} took longer than {seconds:g} s")
