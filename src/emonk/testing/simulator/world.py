"""One run of a schedule: instances of an agent on one store, their users, and a world that fails."""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from emonk.agent import Agent
from emonk.effects.unfinished import NAMESPACE, effect_of
from emonk.records import Effect
from emonk.store.usage_protocol import UsageFilter
from emonk.testing.simulator.history import Ended, Happened, History, Kept, Noted, Where
from emonk.testing.simulator.instance import Instance, SimulatedAgent, Wrap
from emonk.testing.simulator.outside import Outside
from emonk.testing.simulator.scene import Scene
from emonk.testing.simulator.schedule import Crash, Jump, Outage, Restart, Said, Schedule
from emonk.testing.simulator.wire import Network
from emonk.testing.virtual_loop import Deadlock, SimClock, run, waiting
from emonk.testing.virtual_process import here, living

PATIENCE = 1.5 * 3600.0
"""Virtual seconds that everything gets to come to rest once the last event has happened: a used-up quota takes one."""

REST = 90.0
"""Virtual seconds of quiet before what is still there counts as left over: more than any poll or renewal."""

DOWN = 2.0
"""Virtual seconds between the stop of an instance and its next start."""

Leftovers = Callable[[Agent], Iterable[str]]


def places_taken(agent: Agent) -> Iterator[str]:
    """Calls that a guard still counts as running or waiting."""
    for status in agent.guards.status():
        if status.running or status.waiting:
            yield f"{status.name}: {status.running} calls run and {status.waiting} wait"


def permits_out(agent: Agent) -> Iterator[str]:
    """Permits of breakers that nobody gave back."""
    for status in agent.guards.status():
        if status.breaker.out:
            yield f"{status.name}: {status.breaker.out} permits are out, and its circuit is {status.breaker.state}"


LEFTOVERS: list[Leftovers] = [places_taken, permits_out]
"""Each tells what an agent at rest still holds: permits, places in a queue, connections. Nothing is as it should be."""


def live(agent: Agent, schedule: Schedule, *, wrap: Wrap = lambda model: model) -> History:
    """Run a schedule on copies of an agent that was not started.

    Args:
        agent: its turn code is real; its model, tools, store and clock are replaced.
        schedule: what happens.
        wrap: puts something around each simulated model.

    Raises:
        ConfigError: the agent cannot start.
    """
    simulated = SimulatedAgent.of(agent)
    history = History(
        schedule=schedule,
        limit=simulated.turn_seconds,
        records=[],
        models=simulated.specs,
        reconciled=[tool.name for tool in agent.tools if tool.effect is not None and tool.effect.reconciles],
        resilience=agent.guards.section.models,
    )

    async def main(clock: SimClock) -> None:
        scene = Scene(schedule, clock, history.records)
        world = _World(agent, scene, wrap)
        asyncio.get_running_loop().set_exception_handler(world.unhandled)
        try:
            history.ended = await world.run()
        finally:
            history.seconds = scene.now()

    state = random.getstate()
    random.seed(schedule.seed)  # what takes its chance from there takes the same one in each replay
    try:
        with _logged(history):
            run(main)
    except Deadlock as error:
        history.stuck = str(error)
    finally:
        random.setstate(state)
    return history


class _World:
    """Everything of one run."""

    def __init__(self, agent: Agent, scene: Scene, wrap: Wrap) -> None:
        self._scene = scene
        self._network = Network(scene)
        self._database = self._network.database
        outside = Outside(scene)
        self._instances = [
            Instance(agent, number, self._network, outside, wrap) for number in range(scene.schedule.instances)
        ]
        self._users: set[asyncio.Task[None]] = set()
        self._left_at_restarts: list[str] = []

    async def run(self) -> Ended:
        """From the start of the first instance to the end of the last one."""
        for instance in self._instances:
            await instance.start()
        before = Counter(map(_named, living(asyncio.all_tasks())))
        await self._play()
        settled = await self._settle()
        for instance in self._instances:
            instance.disarm()
        await self._scene.clock.sleep(REST)
        leftovers = [f"at rest: {waiting([task])}" for task in _more_than(before)]
        leftovers += [f"at rest: {held}" for each in self._instances for held in _held(each)]
        leftovers += self._left_at_restarts
        leases = [one.key.session_id for one in self._database.sessions.values() if one.owner is not None]
        for instance in self._instances:
            await instance.stop()
        await self._scene.clock.sleep(1.0)
        here = asyncio.current_task()
        leftovers += [
            f"after the stop: {waiting([task])}" for task in _sorted(living(asyncio.all_tasks())) if task is not here
        ]
        self._network.close()
        return await self._ended(leases, leftovers, settled=settled)

    def unhandled(self, _loop: object, context: dict[str, Any]) -> None:
        """An exception that nobody took."""
        self._scene.add(
            Noted(self._scene.where(), level="unhandled", text=f"{context['message']}: {context.get('exception')!r}")
        )

    async def _play(self) -> None:
        for event in self._scene.schedule.events:
            await self._scene.clock.sleep(event.at - self._scene.now())
            match event:
                case Said():
                    instance = self._instances[event.instance]
                    self._users.add(asyncio.create_task(instance.converse(event)))
                case Jump(seconds=seconds):
                    self._scene.clock.jump(seconds)
                    self._scene.add(Happened(self._scene.where(), what=str(event)))
                case Crash(instance=number):
                    self._scene.add(Happened(self._scene.where(), what=str(event)))
                    self._instances[number].arm(event)
                case Restart(instance=number) if not self._instances[number].is_up:
                    continue
                case Restart(instance=number):
                    await self._restart(self._instances[number], str(event))
                case Outage():
                    self._scene.add(Happened(self._scene.where(), what=str(event)))

    async def _restart(self, instance: Instance, what: str) -> None:
        self._scene.add(Happened(self._scene.where(instance=instance.number), what=what))
        await instance.stop()
        if instance.life.dead:
            return
        self._left_at_restarts += [f"at a restart: {held}" for held in _held(instance)]
        await self._scene.clock.sleep(DOWN)
        await instance.restart()

    async def _settle(self) -> bool:
        """Wait until nothing is unfinished; what nobody waits for is taken up, as a pump or the next start would."""
        until, nap = self._scene.now() + PATIENCE + self._set_back(), 5.0
        while self._scene.now() < until:
            await self._scene.clock.sleep(nap)
            nap = min(1.5 * nap, 300.0)
            done = all(user.done() for user in self._users) and all(one.is_up for one in self._instances)
            if done and all(one.next is None for one in self._database.sessions.values()):
                return True
            if done:
                first = self._instances[0]
                for session in await first.due():
                    await asyncio.wait({asyncio.create_task(first.resume(session))}, timeout=PATIENCE)
        for user in _sorted(self._users):
            user.cancel()
        await self._scene.clock.sleep(1.0)
        return False

    def _set_back(self) -> float:
        """Seconds for which a lease can outlive its holder: it ends by the wall clock."""
        jumps = (event.seconds for event in self._scene.schedule.events if isinstance(event, Jump))
        return sum(-seconds for seconds in jumps if seconds < 0)

    async def _effects(self) -> AsyncGenerator[Effect]:
        store, after = self._database.open(), ""
        while page := await store.records(NAMESPACE, after=after, limit=100):
            for record in page:
                yield effect_of(record)
            after = page[-1].key

    async def _ended(self, leases: list[str], leftovers: list[str], *, settled: bool) -> Ended:
        sessions = self._database.sessions.values()
        items = sorted((item.order, one.key, item) for one in sessions for item in one.items.values())
        return Ended(
            kept=[Kept(key.session_id, item.item.message_id, item.reply) for _, key, item in items],
            logs={one.key: tuple(one.log) for one in sessions},
            effects=[effect async for effect in self._effects()],
            rows=await self._database.open().usage_rows(UsageFilter(), limit=1 << 30),
            leases=leases,
            leftovers=leftovers,
            settled=settled,
        )


def _held(instance: Instance) -> Iterator[str]:
    return (held for look in LEFTOVERS for held in look(instance.agent))


def _named(task: "asyncio.Task[Any]") -> str:
    return getattr(task.get_coro(), "__qualname__", "")


def _more_than(before: Counter[str]) -> "Iterator[asyncio.Task[Any]]":
    """The tasks that there are now beside those: an instance that has started anew has the same ones as before."""
    left = before.copy()
    for task in _sorted(living(asyncio.all_tasks())):
        left[_named(task)] -= 1
        if left[_named(task)] < 0:
            yield task


def _sorted(tasks: "Iterable[asyncio.Task[Any]]") -> "list[asyncio.Task[Any]]":
    return sorted(tasks, key=hash)


class _LogHandler(logging.Handler):
    """Takes emonk's own log lines into the history."""

    def __init__(self, history: History) -> None:
        super().__init__(logging.WARNING)
        self._history = history

    def emit(self, record: logging.LogRecord) -> None:
        process = here()
        if process is not None and process.dead:
            return
        now = self._history.records[-1].where.at if self._history.records else 0.0
        text = record.getMessage()
        if record.exc_info and record.exc_info[0]:
            text = f"{text} ({record.exc_info[0].__name__})"
        self._history.records.append(Noted(Where(now), level=record.levelname.lower(), text=text))


@contextmanager
def _logged(history: History) -> Generator[None]:
    """While the run lasts, what emonk logs belongs to it and to no terminal."""
    logger, handler = logging.getLogger("emonk"), _LogHandler(history)
    propagate, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagate
