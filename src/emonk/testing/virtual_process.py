"""Processes on a virtual loop: what began in one ends with it, as by `kill -9`, and no handler of it runs any more."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from typing import Any, TypeVar, TypeVarTuple, Unpack

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_HERE: ContextVar["Process | None"] = ContextVar("emonk_virtual_process", default=None)

_STUBBORN = 1000
"""How often code that has to go may wait once more on its way out."""


class Process:
    """Tasks, timers and callbacks that began in it; once it was killed, the loop runs none of them.

    Attributes:
        dead: it was killed.
    """

    def __init__(self) -> None:
        self.dead = False
        self._context = copy_context()
        self._context.run(_HERE.set, self)
        self._left: list[Numbered[Any]] = []

    def begin(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """Start a task in it."""
        return asyncio.get_running_loop().create_task(work, context=self._context.copy())

    def kill(self) -> None:
        """End it here and now. The step that runs now, if it is one of its own, runs until it waits."""
        self.dead = True
        self._left += (task for task in asyncio.all_tasks() if isinstance(task, Numbered) and task.process is self)

    def keep(self, task: "Numbered[Any]") -> None:
        """Take a task that begins when it is dead: nobody else holds it, and it must not end by its disposal."""
        self._left.append(task)

    def unless_dead(self, callback: Callable[[Unpack[Ts]], object], *args: *Ts) -> None:
        """Call something of it."""
        if not self.dead:
            callback(*args)

    def bury(self) -> None:
        """Dispose of what was left of it. Its handlers run now, and what they reach has to look at `dead`."""
        left, self._left = self._left, []
        for task in left:
            task.dispose()


class Numbered(asyncio.Task[T]):
    """A task with a number, and of a process.

    Sets of tasks have the same order in each run, where addresses would give them another one each time.
    """

    def __init__(
        self, coro: Coroutine[Any, Any, T], number: int, *, loop: asyncio.AbstractEventLoop, context: Context | None
    ) -> None:
        self._number = number
        self._around = copy_context() if context is None else context
        self.process = process_of(self._around)
        super().__init__(coro, loop=loop, name=f"task {number}", context=self._around)
        if self.process is not None and self.process.dead:
            self.process.keep(self)

    def __hash__(self) -> int:
        return self._number

    @property
    def dead(self) -> bool:
        """It will never run again."""
        return self.process is not None and self.process.dead

    def dispose(self) -> None:
        """Unwind its code."""
        self._log_destroy_pending = False
        work: Any = self.get_coro()
        for _ in range(_STUBBORN):
            with suppress(Exception, asyncio.CancelledError, SystemExit):  # it waited once more, or it broke
                self._around.run(work.close)
                return


def here() -> Process | None:
    """The process that runs now; None in the world around."""
    return _HERE.get()


def process_of(context: Context) -> Process | None:
    """The process of what runs in this context."""
    return context.get(_HERE)


def living(tasks: "set[asyncio.Task[Any]]") -> "list[asyncio.Task[Any]]":
    """Without those of dead processes."""
    return [task for task in tasks if not (isinstance(task, Numbered) and task.dead)]
