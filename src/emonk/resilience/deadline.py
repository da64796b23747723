"""A limit on how long something may take, on whichever clock is in use."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from emonk.clock import Clock, SystemClock
from emonk.errors import DeadlineExceeded

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
