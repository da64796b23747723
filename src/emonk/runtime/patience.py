"""Waiting for an answer only so long, unless it has begun to be shown."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from emonk.clock import Clock
from emonk.errors import DeadlineExceeded
from emonk.runtime.progress import Emit, ReplyDelta, TurnEvent

T = TypeVar("T")

OVERTIME = "overtime"
"""The code of the error that a model took longer than it has while another one stands by."""


class Patience:
    """For one answer: who is shown its beginning by `emit` waits for its end."""

    def __init__(self, clock: Clock, emit: Emit) -> None:
        self._clock = clock
        self._show = emit
        self._begun = False

    def emit(self, event: TurnEvent) -> None:
        """Show it, and remember that the answer has begun."""
        self._begun = self._begun or isinstance(event, ReplyDelta)
        self._show(event)

    async def wait(self, answer: Coroutine[Any, Any, T], seconds: float, what: str) -> T:
        """The answer.

        Raises:
            DeadlineExceeded: nothing was shown of it in so many seconds; it was cancelled and has ended.
        """
        work = asyncio.ensure_future(answer)
        alarm = asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            await asyncio.wait({work, alarm}, return_when=asyncio.FIRST_COMPLETED)
            if work.done() or self._begun:
                return await work
        finally:
            alarm.cancel()
            work.cancel()
            await asyncio.gather(work, alarm, return_exceptions=True)
        raise DeadlineExceeded(f"{what} took longer than {seconds:g} s", code=OVERTIME, final=True)
