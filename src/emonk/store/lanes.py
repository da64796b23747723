"""Work on a database: in order within a session, at once between sessions, and done whether or not somebody waits."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from emonk.records import SessionKey

T = TypeVar("T")


class Lanes:
    """One lane for each session with work under way, in one event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._tails: dict[SessionKey, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The one that they belong to."""
        return self._loop

    def after(self, session: SessionKey, work: Callable[[], Awaitable[T]]) -> asyncio.Future[T]:
        """Do it after all that was handed over for the session before."""
        before = self._tails.get(session)
        answer, task = self._start(_in_turn(before, work))
        self._tails[session] = task
        task.add_done_callback(lambda _: self._tails.get(session) is task and self._tails.pop(session))
        return answer

    def beside(self, work: Callable[[], Awaitable[T]]) -> asyncio.Future[T]:
        """Do it at once."""
        return self._start(work())[0]

    async def empty(self) -> None:
        """Wait until nothing is under way."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _start(self, work: Awaitable[T]) -> tuple[asyncio.Future[T], asyncio.Task[None]]:
        """The answer is not the task, so that who cancels the one leaves the other alone."""
        answer: asyncio.Future[T] = self._loop.create_future()
        task = self._loop.create_task(_settle(answer, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return answer, task


async def _in_turn(before: asyncio.Task[Any] | None, work: Callable[[], Awaitable[T]]) -> T:
    if before is not None:
        await asyncio.wait((before,))
    return await work()


async def _settle(answer: asyncio.Future[T], work: Awaitable[T]) -> None:
    try:
        result = await work
    except asyncio.CancelledError:
        answer.cancel()
        raise
    except Exception as error:  # noqa: BLE001 - belongs to whoever waits
        if not answer.done():
            answer.set_exception(error)
    else:
        if not answer.done():
            answer.set_result(result)
