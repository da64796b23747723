"""What the simulated tools act on: a remote that keeps its own log of effects by their keys, and can be asked."""

import asyncio
from collections.abc import Callable
from random import Random
from typing import Literal

import msgspec

from emonk.records import Effect
from emonk.skills.effect import Finding, Happened, NotHappened, ToolEffect
from emonk.skills.protocol import Context
from emonk.testing.simulator.history import Looked
from emonk.testing.simulator.life import ARRIVES, Life
from emonk.testing.simulator.scene import Scene

_CANNOT_TELL = 0.15
_FAILS = 0.1

Found = Literal["happened", "not happened", "cannot tell", "fails"]


class Request(msgspec.Struct, eq=False):
    """Something that the remote was asked to do, and by whom; `heard` is for the one who asked.

    Attributes:
        barred: the remote said meanwhile that it had not happened, so it never will.
    """

    key: str
    life: Life
    heard: "asyncio.Future[None]"
    barred: bool = False


class Outside:
    """The remote. What it is asked to do takes its time, and may arrive after its sender was killed.

    Without a key it does whatever it is asked; a key it never does by a request that it has said no to.

    Attributes:
        scene: of which it is part.
    """

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self._done: set[str] = set()
        self._under_way: list[Request] = []
        self._looks = 0

    def ask(self, request: Request, seconds: float, chance: float, act: Callable[[], None]) -> None:
        """Have it act in so many seconds; where the sender is dead by then, only if `chance` is below `ARRIVES`."""
        self._under_way.append(request)
        self.scene.later(seconds, self._arrive, request, chance, act)

    def effect(self, real: ToolEffect | None, life: Life) -> ToolEffect | None:
        """What the ledger needs of a tool, with this remote to be asked in place of the real one."""
        if real is None or real.find is None:
            return real

        async def find(effect: Effect, context: Context) -> Finding:
            return await self._find(effect, context, life)

        made = real.blind()
        made.find = find
        return made

    def _arrive(self, request: Request, chance: float, act: Callable[[], None]) -> None:
        self._under_way.remove(request)
        if request.heard.cancelled() or (request.life.dead and chance >= ARRIVES):
            return
        if request.barred:
            if not request.life.dead:
                request.heard.set_exception(ConnectionResetError("the remote gave the request up"))
            return
        if request.key:
            self._done.add(request.key)
        act()
        request.life.passed("run tool", "done")
        if not request.life.dead:
            request.heard.set_result(None)

    async def _find(self, effect: Effect, context: Context, life: Life) -> Finding:
        """Look for an effect; what is under way for it is given up where it is not there.

        Raises:
            ConnectionResetError: it cannot be asked.
        """
        self._looks += 1
        pace = Random(f"{self.scene.schedule.seed} look {self._looks}")  # noqa: S311 - repeatable
        life.passed("look outside", "sent")
        await self.scene.clock.sleep(pace.uniform(0.05, 1.0))
        found = self._found(effect.key, pace)
        life.passed("look outside", "done")
        await self.scene.clock.sleep(pace.uniform(0.01, 0.3))
        where = self.scene.where(self.scene.turn_of(context.trace_id), life.number)
        self.scene.add(Looked(where, key=effect.key, tool=effect.tool, found=found))
        life.passed("look outside", "heard")
        match found:
            case "happened":
                return Happened(f"{effect.tool} did it", "remote 1")
            case "not happened":
                return NotHappened("it is not there")
            case "cannot tell":
                return None
            case "fails":
                raise ConnectionResetError("the remote is away")

    def _found(self, key: str, pace: Random) -> Found:
        chance = pace.random()
        if chance < _FAILS:
            return "fails"
        if chance < _FAILS + _CANNOT_TELL:
            return "cannot tell"
        if key in self._done:
            return "happened"
        for request in self._under_way:
            request.barred = request.barred or request.key == key
        return "not happened"
