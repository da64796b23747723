"""The way from one life of an instance to the database and back: a call takes its time both ways.

What was under way when the caller was killed may arrive all the same, and its answer reaches nobody.
"""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any, cast

from emonk.events import ModelSaid
from emonk.records import Owner
from emonk.runtime.context import this_turn
from emonk.store.owners import is_dead, retire
from emonk.store.protocol import Accepted, Append, Claimed, Finish, Operation, Release, Store
from emonk.testing.memory_store import MemoryDatabase
from emonk.testing.simulator.history import Granted, Leased, Where, Wrote
from emonk.testing.simulator.life import ARRIVES, Life
from emonk.testing.simulator.scene import Scene
from emonk.testing.simulator.steps import asked_of_store

_LATEST = 40.0
"""Seconds that a call may be under way where its caller was killed: longer than a lease."""


class Network:
    """The database, and who reaches it from where.

    Attributes:
        database: behind it.
    """

    def __init__(self, scene: Scene) -> None:
        self.database = MemoryDatabase(scene.clock, dead=self._is_dead)
        self.scene = scene
        self.pace = Random(f"{scene.schedule.seed} store")  # noqa: S311 - repeatable
        self._lives: dict[Owner, Life] = {}
        self._here = 0

    def store(self, life: Life) -> Store:
        """The database as this life sees it."""
        return cast("Store", _Wire(self, life))

    def call(
        self, life: Life, act: Callable[..., Awaitable[Any]], given: tuple[Any, ...], named: dict[str, Any]
    ) -> Any:
        """Act on the database as something that runs on the host of this life."""
        owner = next((one for one in (*given, *named.values()) if isinstance(one, Owner)), None)
        if owner is not None:
            self._lives[owner] = life
        self._here = life.host
        return _at_once(act(*given, **named))

    def delay(self) -> float:
        """Seconds that a call takes one way."""
        return self.pace.uniform(0.0003, 0.005)

    def late(self) -> float:
        """Seconds until a call arrives whose caller was killed meanwhile: perhaps when others have taken over."""
        return self.delay() if self.pace.random() < ARRIVES else self.pace.uniform(0.1, _LATEST)

    def _is_dead(self, owner: Owner) -> bool:
        life = self._lives[owner]
        return life.host == self._here and (life.dead or is_dead(owner))

    def close(self) -> None:
        """Strike those off that were killed, which they could not do."""
        for owner in self._lives:
            retire(owner)


class _Wire:
    """A `Store`: every method of it is a call that is sent, done and heard."""

    def __init__(self, network: Network, life: Life) -> None:
        self.network = network
        self.life = life
        self.database = network.database.open()

    def __getattr__(self, method: str) -> Callable[..., "asyncio.Future[Any]"]:
        def call(*given: Any, **named: Any) -> "asyncio.Future[Any]":
            return _Call(self, method, given, named).answer

        return call


class _Call:
    """One call on its way; `answer` is what its caller waits for."""

    def __init__(self, wire: _Wire, method: str, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        self.answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._network = wire.network
        self._scene = wire.network.scene
        self._life = life = wire.life
        self._act = getattr(wire.database, method)
        self._given = given
        self._named = named
        self._asked = asked_of_store(method, given)
        if not life.dead:
            life.passed(self._asked, "sent")
            late = life.dead and self._asked != "renew"
            self._scene.later(self._network.late() if late else self._network.delay(), self._arrive)

    def _arrive(self) -> None:
        if self._life.dead and self._network.pace.random() >= ARRIVES:
            return
        result: Any = None
        error: Exception | None = None
        try:
            result = self._network.call(self._life, self._act, self._given, self._named)
        except Exception as raised:  # noqa: BLE001 - it is the caller's
            error = raised
        else:
            self._write_down(result)
        self._life.passed(self._asked, "done")
        self._scene.later(self._network.delay(), self._return, result, error)

    def _return(self, result: Any, error: Exception | None) -> None:
        life, claimed = self._life, _claimed(result)
        if life.dead:
            return
        if self.answer.done():  # its caller was cancelled meanwhile and cannot use its lease
            if claimed is not None:
                self._give_back(claimed)
            return
        if claimed is not None:
            self._scene.write(
                Granted(
                    self._where(claimed),
                    fence=claimed.lease.fence,
                    resumed=claimed.resumed,
                    answers=_answers(claimed),
                )
            )
        life.passed(self._asked, "heard")
        if life.dead:
            return
        if error is None:
            self.answer.set_result(result)
        else:
            self.answer.set_exception(error)

    def _give_back(self, claimed: Claimed) -> None:
        session = self._network.database.sessions[claimed.item.session]
        if session.fence == claimed.lease.fence:
            session.give_back(claimed.lease)
            self._scene.write(Wrote(self._where(claimed), fence=claimed.lease.fence, released=True))

    def _write_down(self, result: Any) -> None:
        claimed = _claimed(result)
        if claimed is not None:
            self._scene.write(Leased(self._where(claimed), fence=claimed.lease.fence))
        fence = self._named.get("fence")
        if fence is not None:
            where = Where(self._scene.now(), fence.session.session_id, "", self._life.number)
            operations = cast("tuple[Operation, ...]", self._given[0])
            finished = next((one.reply.message_id for one in operations if isinstance(one, Finish)), "")
            released = any(isinstance(one, Release) for one in operations)
            events = tuple(event for one in operations if isinstance(one, Append) for event in one.events)
            self._scene.write(Wrote(where, fence=fence.fence, events=events, finished=finished, released=released))

    def _where(self, claimed: Claimed) -> Where:
        item = claimed.item
        return Where(self._scene.now(), item.session.session_id, item.message_id, self._life.number)


def _claimed(result: Any) -> Claimed | None:
    match result:
        case Claimed():
            return result
        case Accepted(claimed=claimed):
            return claimed
        case _:
            return None


def _answers(claimed: Claimed) -> int:
    return sum(
        isinstance(event, ModelSaid) and bool(event.message.parts)
        for event in this_turn(claimed.events, claimed.item.message_id)
    )


def _at_once(answer: Awaitable[Any]) -> Any:
    """The result of what does not wait."""
    if isinstance(answer, asyncio.Future):
        return answer.result()
    try:
        cast("Any", answer).send(None)
    except StopIteration as stopped:
        return stopped.value
    raise RuntimeError("a store in memory has waited")
