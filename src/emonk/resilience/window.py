"""How many calls there were, and how many of them failed or were slow, within the last seconds."""

from collections import deque
from math import inf

BUCKETS = 60
"""A window is kept in this many parts, and forgotten part by part."""


class Tally:
    """A count of calls; one that failed slowly counts in both other numbers."""

    __slots__ = ("calls", "failures", "slow")

    def __init__(self) -> None:
        self.calls = 0
        self.failures = 0
        self.slow = 0

    def add(self, *, failed: bool, slow: bool) -> None:
        self.calls += 1
        if failed:
            self.failures += 1
        if slow:
            self.slow += 1

    def subtract(self, other: "Tally") -> None:
        self.calls -= other.calls
        self.failures -= other.failures
        self.slow -= other.slow


class Window:
    """The calls of the last `seconds`, to a sixtieth of them.

    A call is forgotten when it is between 59 and 60 sixtieths of the window old. Memory is at most 60 small buckets
    however many calls there are, and the time for one call is constant: each bucket is made and forgotten once.
    """

    def __init__(self, seconds: float) -> None:
        self._width = seconds / BUCKETS
        self._buckets: deque[tuple[int, Tally]] = deque()
        self._total = Tally()
        self._part = Tally()
        self._until = -inf

    def record(self, now: float, *, failed: bool, slow: bool) -> Tally:
        """Count one call that ended `now`, on the clock of `tally`; returns what `tally` would."""
        if now >= self._until:
            self._begin_part(now)
        total = self._total
        if failed or slow:
            self._part.add(failed=failed, slow=slow)
            total.add(failed=failed, slow=slow)
        else:
            self._part.calls += 1
            total.calls += 1
        return total

    def tally(self, now: float) -> Tally:
        """The counts as they are `now`; valid until the window is next touched."""
        self._forget(now)
        return self._total

    def clear(self) -> None:
        self._buckets.clear()
        self._total = Tally()
        self._until = -inf

    def _begin_part(self, now: float) -> None:
        self._forget(now)
        part = int(now // self._width)
        self._part = Tally()
        self._until = (part + 1) * self._width
        self._buckets.append((part, self._part))

    def _forget(self, now: float) -> None:
        part = int(now // self._width)
        while self._buckets and self._buckets[0][0] <= part - BUCKETS:
            self._total.subtract(self._buckets.popleft()[1])
