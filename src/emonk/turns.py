"""The pump: finds the sessions whose turn is due, whoever left it, and has their agent run it."""

import asyncio
import logging
from collections.abc import Sequence
from typing import NamedTuple, Self

from emonk.agent import Agent
from emonk.clock import MICROSECONDS, SYSTEM_CLOCK, Clock, timestamp
from emonk.records import SessionKey
from emonk.runtime.asking import Postponed

POLL_SECONDS = 1.0
LONGEST_REST_SECONDS = 60.0
AT_ONCE = 16
SWEEP_SECONDS = 600.0
"""From the end of one search for expired sessions to the next."""

SWEPT_AT_ONCE = 20
"""Sessions that are looked at each time, so that a search leaves the store to others, too."""

_log = logging.getLogger("emonk.turns")


class _Rest(NamedTuple):
    """A session is left alone until then, on the clock's `monotonic()`."""

    until: float
    seconds: float


class _Sweep:
    """The search for an agent's expired sessions, some at a time, from the latest of them to the oldest."""

    def __init__(self, agent: Agent, clock: Clock) -> None:
        self._agent = agent
        self._clock = clock
        self._next = clock.monotonic()
        self._before: int | None = None

    async def step(self) -> int:
        """Go on if it is time; how many were removed."""
        now, age = self._clock.monotonic(), self._agent.expire_after
        if now < self._next or age is None:
            return 0
        self._next = now + SWEEP_SECONDS  # also where this fails
        idle_since = timestamp(self._clock) - round(age * MICROSECONDS)
        pruned = await self._agent.sessions.prune(idle_since, limit=SWEPT_AT_ONCE, before=self._before)
        self._before = pruned.before
        if pruned.before is not None:
            self._next = now
        return len(pruned.sessions)


class Pump:
    """Runs due turns of started agents while it is open: at the start those that a crash left, then whatever comes.

    A session that cannot be resumed is tried again later and later, at the latest every `LONGEST_REST_SECONDS`, and
    keeps no other session waiting. Sessions of agents with `expire_after` that were idle for longer are removed.
    """

    def __init__(
        self, agents: Sequence[Agent], *, clock: Clock = SYSTEM_CLOCK, poll_seconds: float = POLL_SECONDS
    ) -> None:
        self._agents = {agent.name: agent for agent in agents}
        self._clock = clock
        self._poll_seconds = poll_seconds
        self._running: dict[SessionKey, asyncio.Task[None]] = {}
        self._resting: dict[SessionKey, _Rest] = {}
        self._sweeps = {agent.name: _Sweep(agent, clock) for agent in agents if agent.expire_after is not None}
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._pump())]
        if self._sweeps:
            self._tasks.append(asyncio.create_task(self._tidy()))
        return self

    async def __aexit__(self, *_: object) -> None:
        tasks = [*self._running.values(), *self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def once(self) -> int:
        """Begin what is due now and wait for it; how many sessions were resumed."""
        started = await self._begin()
        await asyncio.gather(*started, return_exceptions=True)
        return len(started)

    async def expire(self) -> int:
        """Go on with the search for expired sessions, if it is time; how many were removed."""
        count = 0
        for name, sweep in self._sweeps.items():
            try:
                removed = await sweep.step()
            except Exception:  # noqa: BLE001 - logged; a store that is away for a while must not end the pump
                _log.exception("expired sessions of %s could not be removed", name)
                continue
            if removed:
                _log.info("removed %d expired sessions of %s", removed, name)
            count += removed
        return count

    async def _pump(self) -> None:
        while True:
            try:
                await self._begin()
            except Exception:  # noqa: BLE001 - logged; a store that is away for a while must not end the pump
                _log.exception("due turns could not be looked up")
            await self._clock.sleep(self._poll_seconds)

    async def _tidy(self) -> None:
        """Apart from the turns: it can take a while to remove long sessions, and no turn waits for that."""
        while True:
            await self.expire()
            await self._clock.sleep(self._poll_seconds)

    async def _begin(self) -> list[asyncio.Task[None]]:
        started: list[asyncio.Task[None]] = []
        now = self._clock.monotonic()
        for agent in self._agents.values():
            known = len(self._running) + len(self._resting)
            for session in await agent.store.due(agent.name, limit=AT_ONCE + known):
                rest = self._resting.get(session)
                rested = rest is None or rest.until <= now
                if rested and session not in self._running and len(self._running) < AT_ONCE:
                    task = asyncio.create_task(self._resume(agent, session))
                    self._running[session] = task
                    started.append(task)
        return started

    async def _resume(self, agent: Agent, session: SessionKey) -> None:
        try:
            await agent.resume(session.session_id)
            self._resting.pop(session, None)
        except Postponed as error:
            seconds = self._rest(session, error.retry_after or 0.0)
            _log.info("session %s: %s; trying again in %g s", session.session_id, error, seconds)
        except Exception:  # noqa: BLE001 - logged; whatever is wrong with one session, the others go on
            seconds = self._rest(session)
            _log.exception("session %s could not be resumed, trying again in %g s", session.session_id, seconds)
        finally:
            del self._running[session]

    def _rest(self, session: SessionKey, least: float = 0.0) -> float:
        earlier = self._resting.get(session)
        seconds = self._poll_seconds if earlier is None else 2 * earlier.seconds
        seconds = min(max(seconds, least), LONGEST_REST_SECONDS)
        self._resting[session] = _Rest(self._clock.monotonic() + seconds, seconds)
        return seconds
