"""One instance of the agent under test: its real code, on a simulated model, simulated tools and a store in memory."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, aclosing, suppress
from functools import partial
from random import Random
from typing import Self, TypeVar

from msgspec.structs import replace

from emonk.agent import Agent
from emonk.errors import EmonkError, Unavailable
from emonk.models.protocol import Model
from emonk.observe.alerts import Alerts
from emonk.observe.trace import get_trace_id, trace_context
from emonk.records import Reply, SessionKey
from emonk.resilience.breaker_events import BreakerEvent
from emonk.resilience.guards import Guards
from emonk.routing.decision import Role
from emonk.routing.roles import spec_of
from emonk.runtime.progress import MessageAccepted, TurnReplied
from emonk.skills.protocol import Runnable
from emonk.store.protocol import Store
from emonk.testing.simulator import history
from emonk.testing.simulator.life import Armed, Killed, Life
from emonk.testing.simulator.outside import Outside
from emonk.testing.simulator.remote import SimulatedModel
from emonk.testing.simulator.scene import Scene, trace_of
from emonk.testing.simulator.schedule import Crash, Said
from emonk.testing.simulator.tools import SimulatedTool
from emonk.testing.simulator.wire import Network
from emonk.turns import Pump

T = TypeVar("T")
Wrap = Callable[[Model], Model]

_LIVES = 10
"""What the number of an instance grows by with each start: 21 is the third life of instance 1."""

LONGEST_TURN = 300.0
"""Virtual seconds that a turn gets at most, whatever the agent's own limit: a run waits for hours, not for ever."""


class SimulatedAgent(Agent):
    """A user's agent with everything around it replaced. What `start` makes is made anew for each of these."""

    @classmethod
    def of(cls, agent: Agent) -> Self:
        """A copy of an agent that was not started."""
        made = cls.__new__(cls)
        vars(made).update(vars(agent))
        return made

    def put(
        self, *, model: Callable[[str, Role], Model], tools: Sequence[Runnable], store: Store, scene: Scene
    ) -> None:
        """Replace what reaches the outside, and what measures time or takes its chance."""
        clock = scene.clock
        section = self.guards.section
        jitter = Random(f"{scene.schedule.seed} jitter")  # noqa: S311 - it is to be repeatable
        self.tools = tuple(tools)
        self.guards = Guards(section, clock=clock, random=jitter.random)
        self._made = replace(
            self._made,
            models={role: model(spec_of(one), role) for role, one in self._made.models.items()},
            tools=self.tools,
            store=store,
            alerts=Alerts(clock=clock),
            clock=clock,
            limits=replace(self._made.limits, seconds=self.turn_seconds),
        )

    @property
    def specs(self) -> list[str]:
        """Its models, as a configuration names them."""
        return list(dict.fromkeys(spec_of(one) for one in self._made.models.values()))

    @property
    def turn_seconds(self) -> float:
        """What a turn may take."""
        return min(LONGEST_TURN, self._made.limits.seconds)


class Instance:
    """An agent, its pump if it has one, and the users that talk to it.

    Attributes:
        agent: the one that runs, or did so last: each start makes another one.
        life: in which it runs; what an agent knows of the world ends with it.
    """

    def __init__(self, agent: Agent, number: int, network: Network, outside: Outside, wrap: Wrap) -> None:
        scene = network.scene
        self._given = agent
        self._outside = outside
        self._scene = scene
        self._network = network
        self._wrap = wrap
        self._armed: list[Armed] = []
        self._up = asyncio.Event()
        self._open = AsyncExitStack()
        self.life = self._live(number, number % scene.schedule.hosts)
        self.agent = self._made()

    @property
    def number(self) -> int:
        """Of its life."""
        return self.life.number

    @property
    def is_up(self) -> bool:
        """It was started, and neither stopped nor killed since."""
        return self._up.is_set()

    async def start(self) -> None:
        """Start the agent as a process would."""
        with suppress(Killed):
            await self.life.call(self._start)
            if self.life.dead:  # its pump went further than its start
                return
            self._scene.add(history.Up(self._scene.where(instance=self.number), host=self.life.host, up=True))
            self._up.set()

    async def stop(self) -> None:
        """Stop it in order, as far as it gets."""
        self._up.clear()
        self._scene.add(history.Up(self._scene.where(instance=self.number), host=self.life.host, up=False))
        self.life.stopping = True
        with suppress(Killed):
            await self.life.call(self._open.aclose)

    async def restart(self, host: int | None = None) -> None:
        """Start another one in its place, on the same host if none is given."""
        self.life = self._live(self.number + _LIVES, self.life.host if host is None else host)
        self._open = AsyncExitStack()
        self.agent = self._made()
        await self.start()

    def arm(self, crash: Crash) -> None:
        """Kill it when it has come to that step, or at once."""
        if crash.step:
            self._armed.append(Armed(crash, crash.step))
        elif not self.life.dead:
            self.life.crash(crash)

    def disarm(self) -> None:
        """From here on it lives."""
        self._armed.clear()

    def _live(self, number: int, host: int) -> Life:
        return Life(number, host, self._scene, self._armed, self._killed)

    def _killed(self, crash: Crash) -> None:
        self._up.clear()
        self._scene.later(crash.down, self._revive, crash)

    def _revive(self, crash: Crash) -> None:
        host = self.number + 1000 if crash.elsewhere else None
        self._reviving = asyncio.create_task(self.restart(host))

    async def _start(self) -> None:
        await self._open.enter_async_context(self.agent)
        if self._scene.schedule.pump:
            await self._open.enter_async_context(Pump([self.agent], clock=self._scene.clock))

    def _made(self) -> SimulatedAgent:
        scene, life, wrap = self._scene, self.life, self._wrap
        made = SimulatedAgent.of(self._given)
        made.put(
            model=lambda spec, role: wrap(SimulatedModel(spec, scene, life, role)),
            tools=[SimulatedTool(tool, self._outside, scene, life) for tool in self._given.tools],
            store=self._network.store(life),
            scene=scene,
        )
        for spec in made.specs:
            made.guards.of("models", spec).breaker.subscribe(partial(self._circuit, life.number))
        return made

    async def converse(self, said: Said) -> None:
        """Say something, and wait for the reply as long as that user does."""
        with trace_context(trace_of(said)):
            self._scene.add(history.Said(self._where(said)))
            if said.patient:
                await self._enqueue(said)
                return
            asking = asyncio.create_task(self._ask(said))
        if said.leave:
            await asyncio.wait({asking}, timeout=said.after)
            if said.leave == "cancels" and not asking.done():
                await self._up.wait()
                with suppress(Killed):
                    ended = await self.life.call(lambda: self.agent.cancel(said.session))
                    self._scene.add(history.Happened(self._where(said), what=f"cancels the turn: {ended}"))
            elif not asking.done():
                self._scene.add(history.Happened(self._where(said), what="goes away"))
                asking.cancel()
        try:
            await asyncio.wait({asking})
        finally:
            asking.cancel()

    async def due(self) -> Sequence[SessionKey]:
        """What others left; nothing where it is killed before it says so."""
        await self._up.wait()
        try:
            return await self.life.call(lambda: self.agent.store.due(self.agent.name))
        except Killed:
            return ()

    async def resume(self, session: SessionKey) -> None:
        """Take up what others left."""
        await self._up.wait()
        try:
            await self.life.call(lambda: self.agent.resume(session.session_id))
        except (EmonkError, Killed) as error:
            self._scene.add(history.Happened(self._scene.where(instance=self.number), what=f"cannot resume: {error}"))

    def _circuit(self, number: int, event: BreakerEvent) -> None:
        self._scene.add(
            history.Circuit(
                self._scene.where(self._scene.turn_of(get_trace_id()), number),
                model=event.name,
                kind=event.kind,
                state=event.state,
                wait=event.wait,
                reason=event.reason,
            )
        )

    async def _enqueue(self, said: Said) -> None:
        try:
            accepted = await self._insisting(said, self._accepted)
        except Killed:
            self._scene.add(history.Refused(self._where(said), error=""))
        else:
            self._scene.add(history.Enqueued(self._where(said), accepted=accepted))

    async def _ask(self, said: Said) -> None:
        try:
            reply = await self._insisting(said, self._watch if said.streaming else self._process)
        except (asyncio.CancelledError, Killed):
            self._scene.add(history.Refused(self._where(said), error=""))
        except Exception as error:  # noqa: BLE001 - whatever it is, it goes into the record
            self._scene.add(history.Refused(self._where(said), error=f"{type(error).__name__}: {error}"))
        else:
            self._scene.add(history.Answered(self._where(said), reply=reply))

    async def _insisting(self, said: Said, ask: Callable[[Said], Awaitable[T]]) -> T:
        """Ask again, with the same message id, where the instance was stopped or killed meanwhile."""

        async def asked() -> T:
            with trace_context(trace_of(said)):
                return await ask(said)

        while True:
            await self._up.wait()
            life = self.life
            try:
                return await life.call(asked)
            except (Unavailable, Killed) as error:
                if said.gives_up if isinstance(error, Killed) else self._up.is_set() and self.life is life:
                    raise
                self._scene.add(history.Happened(self._where(said), what=f"asks again: {error}"))

    async def _accepted(self, said: Said) -> bool:
        return await self.agent.enqueue(
            said.text, session_id=said.session, user_id=said.user, message_id=said.message_id
        )

    async def _process(self, said: Said) -> Reply:
        return await self.agent.process_message(
            said.text, session_id=said.session, user_id=said.user, message_id=said.message_id
        )

    async def _watch(self, said: Said) -> Reply:
        events = self.agent.stream(said.text, session_id=said.session, user_id=said.user, message_id=said.message_id)
        async with aclosing(events):
            async for event in events:
                if isinstance(event, MessageAccepted):
                    self._scene.add(history.Acknowledged(self._where(said)))
                    self.life.passed("acknowledge", "heard")
                if isinstance(event, TurnReplied):
                    return event.reply
        raise AssertionError("the stream ended without its reply")

    def _where(self, said: Said) -> history.Where:
        return self._scene.where(said, self.number)
