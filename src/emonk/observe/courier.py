"""Brings alerts to one sink, one after the other and in the background, so that whoever alerts never waits."""

import asyncio
import contextvars
import inspect
import logging
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from emonk.clock import Clock

WAITING = 64
"""Alerts that may wait for a sink; further ones are dropped, which the log says."""

PACE = 1.0
"""Seconds between two alerts: Slack and Google Chat take one a second (see `emonk.observe.webhooks`)."""

_log = logging.getLogger("emonk.alerts")


class Courier:
    """The queue before a sink, and the task that empties it while there is something in it.

    Attributes:
        secrets: what the sink knows and nobody should read.
    """

    def __init__(self, sink: Callable[[Any], object], *, redact: Callable[[str], str], clock: Clock) -> None:
        self.secrets: Iterable[str] = getattr(sink, "secrets", ())
        self._sink = sink
        self._name = str(getattr(sink, "name", None) or getattr(sink, "__name__", type(sink).__name__))
        self._redact = redact
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: deque[Any] = deque()
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._rest: asyncio.Future[None] | None = None
        self._rested_until = 0.0
        self._closed = False

    def take(self, alert: object) -> None:
        """Bring it soon."""
        with self._lock:
            if self._closed:
                return
            if len(self._waiting) >= WAITING:
                _log.warning("%s: %d alerts wait already; one is in this log only", self._name, WAITING)
                return
            self._waiting.append(alert)
        self._wake()

    async def aclose(self, *, within: float) -> None:
        """Take no further alerts, and bring those that wait, at once; give up what is left after `within` seconds."""
        with self._lock:
            self._closed = True
        task = self._start()
        if self._rest is not None:
            self._rest.cancel()
        try:
            if task is not None:
                await asyncio.wait({task}, timeout=within)
        finally:
            if task is not None and not task.done():
                task.cancel()
                await asyncio.wait({task})
            if self._waiting and not self._running():
                _log.warning("%s: %d alerts are in this log only", self._name, len(self._waiting))
                self._waiting.clear()

    def _wake(self) -> None:
        """Start the task in the loop of this thread, else in the one it last ran in; without any it has to wait."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            if self._loop is not None:
                with suppress(RuntimeError):  # that loop has ended
                    self._loop.call_soon_threadsafe(self._start)
            return
        self._start()

    def _start(self) -> asyncio.Task[None] | None:
        """The task that empties the queue: a new one in the running loop, unless there is one or nothing to do."""
        loop = asyncio.get_running_loop()
        with self._lock:
            if not self._running():
                if not self._waiting:
                    return None
                self._loop = loop
                # In a context of its own: it outlives the work that raised the alert.
                self._task = loop.create_task(self._run(), context=contextvars.Context())
            return self._task if self._loop is loop else None

    def _running(self) -> bool:
        """Whether the task is there and will go on."""
        ended = self._loop is None or self._loop.is_closed() or self._task is None or self._task.done()
        return not ended

    async def _run(self) -> None:
        while (alert := self._next()) is not None:
            await self._pause()
            await self._bring(alert)
            self._waiting.popleft()

    def _next(self) -> object | None:
        with self._lock:  # so that no alert comes between the last look and the end of the task
            if self._waiting:
                return self._waiting[0]
            self._task = None
            return None

    async def _pause(self) -> None:
        seconds = self._rested_until - self._clock.monotonic()
        if seconds > 0 and not self._closed:
            self._rest = asyncio.ensure_future(self._clock.sleep(seconds))
            try:
                await asyncio.wait({self._rest})
            finally:
                self._rest.cancel()
                self._rest = None
        self._rested_until = self._clock.monotonic() + PACE

    async def _bring(self, alert: object) -> None:
        try:
            result = self._sink(alert)
            if inspect.isawaitable(result):
                await result
        except Exception as error:  # noqa: BLE001 - whatever a sink does, the others and the caller go on
            # Not the exception itself, whose text may hold a secret.
            said = self._redact("".join(traceback.format_exception(error)))
            _log.error("%s did not take an alert: %s", self._name, said)
