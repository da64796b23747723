"""Time as a dependency: whatever measures or waits takes a `Clock`, so that a test can hand in its own."""

import asyncio
import time
from typing import Protocol

MICROSECONDS = 1_000_000


class Clock(Protocol):
    """Seconds since some start, seconds since the epoch, and a way to wait."""

    def monotonic(self) -> float:
        """Seconds that never go backwards."""
        ...

    def time(self) -> float:
        """Seconds since 1970-01-01 UTC, as the wall clock has it."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait; zero or less gives other tasks one turn."""
        ...


class SystemClock:
    """The machine's own clocks."""

    # As they are, without a call around them: a turn asks for the time some twenty times.
    monotonic = staticmethod(time.monotonic)
    time = staticmethod(time.time)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))


SYSTEM_CLOCK: Clock = SystemClock()


def timestamp(clock: Clock = SYSTEM_CLOCK) -> int:
    """Now, in UTC microseconds since the epoch."""
    return int(clock.time() * MICROSECONDS)
