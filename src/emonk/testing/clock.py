"""A clock that moves only when a test says so."""

import asyncio
import heapq
import itertools

SETTLE_ROUNDS = 50
"""Turns of the event loop given to other tasks after each wake-up."""


class ManualClock:
    """A `Clock` whose time stands still until `advance`.

    Attributes:
        slept: the seconds of every `sleep` so far, in the order they were asked for.
    """

    def __init__(self, *, start: float = 1000.0, epoch: float = 1_750_000_000.0) -> None:
        """Begin at `start` seconds of monotonic time, which is `epoch` seconds since 1970 on the wall clock."""
        self.slept: list[float] = []
        self._now = start
        self._wall = epoch - start
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._fell_asleep = asyncio.Event()

    def monotonic(self) -> float:
        return self._now

    def time(self) -> float:
        return self._now + self._wall

    @property
    def sleepers(self) -> int:
        """How many tasks are waiting for this clock."""
        return sum(not woken.done() for _, _, woken in self._sleepers)

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock has been advanced by `seconds`; zero or less gives other tasks one turn."""
        self.slept.append(seconds)
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + seconds, next(self._order), woken))
        self._fell_asleep.set()
        await woken

    async def advance(self, seconds: float) -> None:
        """Move on by `seconds`, waking sleepers in the order they are due.

        Other tasks run between two wake-ups, at the time of the first; what they start to wait for on the way
        is woken too when it is due. A task that waits for a thread or a socket is not waited for:
        use `wait_for_sleepers` to know that it has come to its sleep.
        """
        target = self._now + seconds
        await _settle()
        while self._sleepers and self._sleepers[0][0] <= target:
            due, _, woken = heapq.heappop(self._sleepers)
            if woken.done():
                continue
            self._now = max(self._now, due)
            woken.set_result(None)
            await _settle()
        self._now = max(self._now, target)

    async def wait_for_sleepers(self, count: int = 1) -> None:
        """Wait, in real time, until at least `count` tasks sleep on this clock."""
        while self.sleepers < count:
            self._fell_asleep.clear()
            await self._fell_asleep.wait()


async def _settle() -> None:
    for _ in range(SETTLE_ROUNDS):
        await asyncio.sleep(0)
