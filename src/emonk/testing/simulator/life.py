"""One life of an instance: from its start to its stop, or until it is killed."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast

import msgspec

from emonk.testing.simulator.history import Crashed
from emonk.testing.simulator.scene import Scene
from emonk.testing.simulator.schedule import Crash
from emonk.testing.simulator.steps import IN_STOP, Phase
from emonk.testing.virtual_loop import VirtualLoop
from emonk.testing.virtual_process import Process

T = TypeVar("T")

ARRIVES = 0.5
"""How likely a request arrives whose sender was killed while it was under way."""


class Killed(ConnectionResetError):
    """The instance is gone, and with it the connection to it."""


class Armed(msgspec.Struct):
    """A crash that waits for its step; `left` of them are still to come."""

    crash: Crash
    left: int


class Life(Process):
    """A process, and how far it has come.

    Attributes:
        number: of this life.
        host: on which it runs.
        stopping: it is being stopped in order.
        gone: done when it was killed.
    """

    def __init__(
        self, number: int, host: int, scene: Scene, armed: list[Armed], killed: Callable[[Crash], object]
    ) -> None:
        super().__init__()
        self.number = number
        self.host = host
        self.stopping = False
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._scene = scene
        self._armed = armed
        self._killed = killed
        self._last = "start heard"

    async def call(self, work: Callable[[], Awaitable[T]]) -> T:
        """Have it do something, as over a connection; who is cancelled meanwhile cancels that too.

        Raises:
            Killed: it was killed before it answered.
        """
        if self.dead:
            await asyncio.sleep(0)  # who asks again at once must not keep the loop from learning that it is gone
            raise Killed("nobody listens")
        task = self.begin(_coroutine(work))
        try:
            await asyncio.wait({task, self.gone}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            if not self.dead:
                task.cancel()
                await asyncio.wait({task, self.gone}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise
        if not task.done():
            raise Killed("the connection was reset")
        return task.result()

    def passed(self, asked: str, phase: Phase) -> None:
        """It has come one step further, and is killed if that is what was to come."""
        if self.dead:
            return
        self._last = kind = f"{asked}{IN_STOP if self.stopping else ''} {phase}"
        for armed in self._armed:
            if armed.crash.after in ("", kind):
                armed.left -= 1
                if armed.left <= 0:
                    self._armed.remove(armed)
                    self.crash(armed.crash)
                    return

    def crash(self, crash: Crash) -> None:
        """Kill it."""
        loop = cast("VirtualLoop", asyncio.get_running_loop())
        loop.kill(self)
        self._scene.write(Crashed(self._scene.where(instance=self.number), after=self._last))
        self.gone.set_result(None)
        self._scene.later(0.0, self._killed, crash)


async def _coroutine(work: Callable[[], Awaitable[T]]) -> T:
    return await work()
