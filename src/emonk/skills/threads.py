"""Threads for tools that block: few, shared by all agents, and never in the way of the process's end."""

import asyncio
import contextlib
import os
import threading
import traceback
from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import Context, copy_context
from functools import partial
from typing import Any, TypeVar

R = TypeVar("R")

LIMIT = 32
"""Functions that run at once; further ones wait for their turn."""


class Threads:
    """Runs functions in daemon threads, which are started as they are needed.

    `asyncio.to_thread` would wait for all its threads when the process ends, and shares them with name look-ups.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._forget()
        # A child has none of the threads, and perhaps a lock that none of its own will open.
        os.register_at_fork(after_in_child=self._forget)

    async def run(self, function: Callable[[], R], *, name: str = "") -> R:
        """What the function returns or raises; whatever it raises is an ordinary exception here.

        A function whose caller is cancelled runs to its end and keeps its thread until then, which `runs` tells of its
        name; one that has not begun never does.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[R] = loop.create_future()
        context = copy_context()

        def work() -> None:
            self._names.append(name)  # before the look at the caller, who looks at the name once it is cancelled
            try:
                if future.cancelled():
                    return
                settle = _outcome(context, function)
            finally:
                self._names.remove(name)
            with contextlib.suppress(RuntimeError):  # the loop has ended, and with it whoever waited
                loop.call_soon_threadsafe(settle, future)

        self._begin(work)
        return await future

    def runs(self, name: str) -> bool:
        """Whether a function of that name has begun and not ended, whoever still waits for it."""
        return name in self._names

    def _begin(self, work: Callable[[], None]) -> None:
        with self._changed:
            if self._waiting <= len(self._jobs) and self._started < self._limit:
                threading.Thread(target=self._serve, name=f"emonk-tool-{self._started}", daemon=True).start()
                self._started += 1
            self._jobs.append(work)
            self._changed.notify()

    def _serve(self) -> None:
        while True:
            self._next()()

    def _next(self) -> Callable[[], None]:
        with self._changed:
            self._waiting += 1
            while not self._jobs:
                self._changed.wait()
            self._waiting -= 1
            return self._jobs.popleft()

    def _forget(self) -> None:
        self._changed = threading.Condition()
        self._jobs: deque[Callable[[], None]] = deque()
        self._names: list[str] = []
        self._waiting = 0
        self._started = 0


THREADS = Threads()


async def contained(awaitable: Awaitable[R]) -> R:
    """What it returns or raises, where only cancellation is more than an ordinary exception."""
    try:
        return await awaitable
    except (Exception, asyncio.CancelledError, GeneratorExit):
        raise
    except BaseException as error:  # else `raise SystemExit` in it ends the whole server
        raise ordinary(error) from error


def ordinary(error: BaseException) -> Exception:
    """The error itself, or one in its place that neither ends the loop nor gets lost in a future."""
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    made = RuntimeError(f"it raised {''.join(traceback.format_exception_only(error)).strip()}")
    made.__cause__ = error
    return made


def _outcome(context: Context, function: Callable[[], R]) -> Callable[["asyncio.Future[R]"], None]:
    """What to do with the future of the call, once the loop has it."""
    try:
        return partial(_settle, value=context.run(function))
    except BaseException as error:  # noqa: BLE001 - a thread that ends here would leave its caller waiting for ever
        return partial(_fail, error=ordinary(error))


def _settle(future: "asyncio.Future[Any]", *, value: object) -> None:
    if not future.done():
        future.set_result(value)


def _fail(future: "asyncio.Future[Any]", *, error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
