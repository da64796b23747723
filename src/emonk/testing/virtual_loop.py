"""An event loop whose time is virtual: it jumps to the next timer when nothing else is left to do.

What waits for minutes takes no time at all, and the same program runs the same way each time: nothing depends on how
fast the machine is. Sockets, pipes and threads of its own are not there.
"""

import asyncio
import contextlib
import inspect
import itertools
import math
import warnings
from collections.abc import Callable, Coroutine, Generator, Sequence
from concurrent.futures import Executor
from contextvars import Context
from typing import Any, TypeVar, TypeVarTuple, Unpack, cast

from emonk.testing.virtual_process import Numbered, Process, here, living, process_of

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
Work = Generator[Any, None, T] | Coroutine[Any, Any, T]

TICKS = 1 << 20
"""Timers ring at whole ticks of a second, never early. Such times add up exactly, which floats in general do not."""

STANDSTILL_ROUNDS = 100_000
"""Rounds of the loop at one and the same time, after which it is taken to turn for ever."""

EPOCH = 1_750_000_000.0


class Deadlock(RuntimeError):
    """Everything waits, and nothing will wake it; or something is always ready, and time never moves on."""


class VirtualLoop(asyncio.BaseEventLoop):
    """An `asyncio` event loop without sockets, on a time of its own that begins at `start` seconds.

    Functions handed to an executor (`asyncio.to_thread`) run at once, in the loop's own thread. A function that a
    thread runs by other means is not waited for. What runs in a `Process` can be killed.

    Attributes:
        killed: the processes that were.
    """

    def __init__(self, *, start: float = 1000.0) -> None:
        super().__init__()
        self._now = start
        self._standstill = 0
        self.killed: list[Process] = []
        self._selector = _Selector(self._pass)  # `BaseEventLoop` asks it how long nothing happens
        self._numbers = itertools.count()
        self.set_task_factory(self._make_task)

    def time(self) -> float:
        """Seconds of virtual time."""
        return self._now

    def call_at(
        self, when: float, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        when = math.ceil(when * TICKS) / TICKS
        process = here() if context is None else process_of(context)
        if process is None:
            return super().call_at(when, callback, *args, context=context)
        return super().call_at(when, process.unless_dead, callback, *args, context=context)

    def call_soon(
        self, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        process = here() if context is None else process_of(context)
        if process is None:
            return super().call_soon(callback, *args, context=context)
        return super().call_soon(process.unless_dead, callback, *args, context=context)

    def kill(self, process: Process) -> None:
        """End a process. What is left of it is disposed of when the loop closes."""
        process.kill()
        self.killed.append(process)

    def run_in_executor(
        self,
        executor: Executor | None,  # noqa: ARG002 - as in `BaseEventLoop`
        func: Callable[[Unpack[Ts]], T],
        *args: *Ts,
    ) -> asyncio.Future[T]:
        future: asyncio.Future[T] = self.create_future()
        try:  # in a thread, the order of things would depend on the machine
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - it is the caller's
            future.set_exception(error)
        return future

    def begin_anew(self) -> None:
        """Forget how long time has stood still."""
        self._standstill = 0

    def _make_task(
        self, loop: asyncio.AbstractEventLoop, coro: Work[Any], context: Context | None = None
    ) -> asyncio.Future[Any]:
        return Numbered(cast("Coroutine[Any, Any, Any]", coro), next(self._numbers), loop=loop, context=context)

    def _pass(self, seconds: float | None) -> None:
        """Nothing happens for so long: 0 when something is ready, None when no timer is set either."""
        if seconds is None:
            raise Deadlock(f"nothing is left that could wake anything; waiting: {waiting(asyncio.all_tasks(self))}")
        self._standstill = 0 if seconds else self._standstill + 1
        if self._standstill > STANDSTILL_ROUNDS:
            raise Deadlock(f"time stands still at {self._now:g} s; at work: {waiting(asyncio.all_tasks(self))}")
        self._now += seconds

    def _process_events(self, event_list: object) -> None:
        """There are no sockets."""

    def _write_to_self(self) -> None:
        """There is no wait that would have to be broken off."""


class SimClock:
    """A `Clock` on a virtual loop: its monotonic time is the loop's, its wall clock can jump."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, epoch: float = EPOCH) -> None:
        """Show `epoch` seconds since 1970 on the wall clock now."""
        self._loop = loop
        self._wall = epoch - loop.time()

    def monotonic(self) -> float:
        return self._loop.time()

    def time(self) -> float:
        return self._loop.time() + self._wall

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward, or back when `seconds` is below zero; nothing else notices."""
        self._wall += seconds


def run(main: Callable[[SimClock], Coroutine[Any, Any, T]]) -> T:
    """Run a program on a loop and a clock of its own; its result.

    Raises:
        Deadlock: it waits for something that never comes. Its tasks have been cancelled.
        RuntimeError: another event loop is running in this thread.
    """
    if _loop_is_running():
        raise RuntimeError("an event loop is running in this thread: run the virtual one elsewhere")
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(main(SimClock(loop)))
    finally:
        _close(loop)


def waiting(tasks: "set[asyncio.Task[Any]] | Sequence[asyncio.Task[Any]]") -> str:
    """Where each of these tasks is, in words."""
    lines = [f"{task.get_name()} in {_place(task)}" for task in tasks if not task.done()]
    return "; ".join(sorted(lines)) or "nobody"


def _loop_is_running() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


class _Selector:
    """Stands where a loop on sockets asks the system."""

    def __init__(self, wait: Callable[[float | None], None]) -> None:
        self._wait = wait

    def select(self, timeout: float | None) -> tuple[()]:
        self._wait(timeout)
        return ()


def _place(task: "asyncio.Task[Any]") -> str:
    """The coroutines that the task is in, and the line of the innermost one."""
    inner: Any = task.get_coro()
    names: list[str] = [getattr(inner, "__qualname__", repr(inner))]
    while inspect.iscoroutine(deeper := getattr(inner, "cr_await", None)):
        inner = deeper
        names.append(inner.__qualname__)
    frame = getattr(inner, "cr_frame", None)
    return " > ".join(names) + ("" if frame is None else f", line {frame.f_lineno}")


def _unheard(*_: object) -> None:
    """Nobody listens any more."""


def _close(loop: VirtualLoop) -> None:
    """Cancel what is left; who will not be cancelled is left where it is."""
    if loop.killed:
        loop.set_exception_handler(_unheard)  # what the dead complain of is nobody's
    with warnings.catch_warnings(action="ignore"):
        for process in loop.killed:
            process.bury()
    tasks = living(asyncio.all_tasks(loop))
    for task in tasks:
        task.cancel()
    loop.begin_anew()
    try:
        with contextlib.suppress(Deadlock):
            if tasks:
                loop.run_until_complete(asyncio.wait(tasks, timeout=1.0))
            loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()
