"""How many calls of a dependency are under way at once, and who waits for a turn."""

import asyncio
from collections import deque
from types import TracebackType

from emonk.clock import SYSTEM_CLOCK, Clock
from emonk.errors import DeadlineExceeded, Unavailable
from emonk.resilience.bounds import flag, number, whole
from emonk.resilience.classify import SHED
from emonk.resilience.deadline import within

_Waiter = asyncio.Future[None]


class ConcurrencyLimit:
    """Lets `at_once` calls run and `queue` more wait; whoever comes then is told so at once (load shedding).

    Interactive calls are served before background ones, each kind in the order in which they came. When the queue is
    full, an interactive call takes the place of the background call that came last. It belongs to one event loop.
    """

    def __init__(self, name: str, *, at_once: int = 16, queue: int = 64, clock: Clock = SYSTEM_CLOCK) -> None:
        """Begin with all slots free.

        Args:
            name: of the dependency, for messages.
            at_once: calls that run at the same time.
            queue: calls that may wait; 0 refuses all that cannot run at once.
            clock: measures deadlines.

        Raises:
            InvalidConfig: a number below 1, or a queue below 0.
        """
        self.name = name
        self._at_once = whole("at_once", at_once, least=1)
        self._queue = whole("queue", queue)
        self._clock = clock
        self._running = 0
        self._interactive: deque[_Waiter] = deque()
        self._background: deque[_Waiter] = deque()

    @property
    def running(self) -> int:
        """Slots that are taken."""
        return self._running

    @property
    def waiting(self) -> int:
        """Calls that wait for a slot."""
        return _live(self._interactive) + _live(self._background)

    def slot(self, *, background: bool = False, deadline: float | None = None) -> "Slot":
        """A slot, taken by `async with` and free again after it.

        Args:
            background: nobody waits for it, so that interactive calls go first.
            deadline: until when to wait, on the clock's `monotonic()`; the call itself may take longer.

        Raises:
            InvalidConfig: here, values of another type.
            Unavailable: on entering, with code `overloaded`: the queue is full, or was while this one waited.
            DeadlineExceeded: on entering, the time came, or had come before.
        """
        if deadline is not None:
            number("deadline", deadline, least=float("-inf"))
        return Slot(self, background=flag("background", background), deadline=deadline)

    def take(self) -> bool:
        """Take a slot if one is free; `release` gives it back."""
        if self._running >= self._at_once:
            return False
        self._running += 1
        return True

    async def acquire(self, *, background: bool, deadline: float | None) -> None:
        """Take a slot, to be given back with `release`; `slot` does both and raises the same."""
        left = None if deadline is None else deadline - self._clock.monotonic()
        if left is not None and left <= 0:
            raise DeadlineExceeded(f"no time was left to wait for {self.name}")
        if self.take():
            return
        await self._wait(self._background if background else self._interactive, left)

    def release(self) -> None:
        """Give the slot to whoever is next, or free it."""
        for queue in (self._interactive, self._background):
            while queue:
                waiter = queue.popleft()
                if not waiter.done():
                    waiter.set_result(None)
                    return
        self._running -= 1

    async def _wait(self, queue: deque[_Waiter], seconds: float | None) -> None:
        if self.waiting >= self._queue:
            self._make_room(interactive=queue is self._interactive)
        waiter: _Waiter = asyncio.get_running_loop().create_future()
        queue.append(waiter)
        try:
            if seconds is None:
                await waiter
            else:
                await within(seconds, _granted(waiter), clock=self._clock, what=f"waiting for {self.name}")
        except BaseException:
            if waiter in queue:
                queue.remove(waiter)
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self.release()  # it was granted while its caller left
            waiter.cancel()
            raise

    def _make_room(self, *, interactive: bool) -> None:
        """Shed the background call that came last, or the caller.

        Raises:
            Unavailable: it is the caller.
        """
        shed = Unavailable(
            f"{self.name} is overloaded: {self._running} calls run and {self.waiting} wait",
            hint="try again later, or raise its limits at_once and queue",
            code=SHED,
        )
        while interactive and self._background:
            waiter = self._background.pop()
            if not waiter.done():
                waiter.set_exception(shed)
                return
        raise shed


class Slot:
    """One call's place, from `ConcurrencyLimit.slot`."""

    __slots__ = ("_background", "_deadline", "_limit")

    def __init__(self, limit: ConcurrencyLimit, *, background: bool, deadline: float | None) -> None:
        self._limit = limit
        self._background = background
        self._deadline = deadline

    async def __aenter__(self) -> None:
        await self._limit.acquire(background=self._background, deadline=self._deadline)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._limit.release()


async def _granted(waiter: _Waiter) -> None:
    await waiter


def _live(queue: deque[_Waiter]) -> int:
    return sum(not waiter.done() for waiter in queue)
