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
    if isinstance(clock, SystemClock):
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                return await awaitable
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise DeadlineExceeded(f"{what} took longer than {seconds:g} s") from error
    return await _race(seconds, awaitable, clock, what)


class Deadlines:
    """Limits of one length for whatever many tasks do: `within`, without a timer for each."""

    def __init__(self, seconds: float, clock: Clock) -> None:
        self._seconds = seconds
        self._clock = clock
        self._later = Later(seconds)

    async def within(self, awaitable: Coroutine[Any, Any, T], what: str) -> T:
        """See `within`."""
        task = asyncio.current_task()
        if task is None or not isinstance(self._clock, SystemClock):
            return await within(self._seconds, awaitable, clock=self._clock, what=what)
        limit = _Limit(task)
        self._later.add(limit, limit.expire)
        try:
            return await awaitable
        except asyncio.CancelledError as error:
            if limit.cut_it_off():
                raise DeadlineExceeded(f"{what} took longer than {self._seconds:g} s") from error
            raise
        finally:
            self._later.drop(limit)
            limit.leave()


class _Limit:
    """Cancels a task; as `asyncio.timeout` does, it takes that back and knows it from a cancellation by others."""

    __slots__ = ("_before", "_expired", "_task")

    def __init__(self, task: "asyncio.Task[Any]") -> None:
        self._task = task
        self._before = task.cancelling()
        self._expired = False

    def expire(self) -> None:
        self._expired = True
        self._task.cancel()

    def cut_it_off(self) -> bool:
        """Whether the cancellation that has come is its own, and nobody else's too."""
        return self._expired and self.leave() <= self._before

    def leave(self) -> int:
        """Take its own cancellation back, once; how many are left."""
        expired, self._expired = self._expired, False
        return self._task.uncancel() if expired else self._task.cancelling()


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
