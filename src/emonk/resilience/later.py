"""Callbacks after a while that nearly always come to nothing: one timer of the loop for all that wait.

A timer costs several microseconds to make and to cancel, and every turn has a handful of them.
"""

import asyncio
from collections.abc import Callable, Hashable


class Later:
    """Calls back after so many seconds, unless it is told before that it need not.

    All wait equally long, so whoever came first is due first. It belongs to the loop in which it was used last.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._waiting: dict[Hashable, tuple[float, Callable[[], object]]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def add(self, who: Hashable, callback: Callable[[], object]) -> None:
        """Call back for `who`, who does not wait yet."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._timer = loop, None
            self._waiting.clear()
        self._waiting[who] = (loop.time() + self._seconds, callback)
        if self._timer is None:
            self._timer = loop.call_later(self._seconds, self._look)

    def drop(self, who: Hashable) -> None:
        """It need not be any more; nothing happens where it was, or was never to be."""
        self._waiting.pop(who, None)

    def close(self) -> None:
        """Call nobody any more."""
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        """Call all who are due; nobody waits longer because another's callback fails."""
        self._timer = None
        loop = asyncio.get_running_loop()
        while self._waiting:
            who, (due, callback) = next(iter(self._waiting.items()))
            if due > loop.time():
                self._timer = loop.call_at(due, self._look)
                return
            del self._waiting[who]
            try:
                callback()
            except Exception as error:  # noqa: BLE001 - told as the loop tells of any callback
                loop.call_exception_handler({"message": "a callback failed", "exception": error})
