"""What everything in a run has in common: its schedule, its clock, its history, and whose turn it is."""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextvars import copy_context
from typing import TypeVarTuple, Unpack

from emonk.routing.decision import Role
from emonk.testing.simulator.faults import Fault
from emonk.testing.simulator.history import Record, Where
from emonk.testing.simulator.schedule import Outage, Said, Schedule
from emonk.testing.virtual_loop import SimClock
from emonk.testing.virtual_process import here

Ts = TypeVarTuple("Ts")

HEALED = 900.0
"""Seconds after the last event from which on nothing goes wrong any more: what was accepted has to end then."""

_NOBODY = Said(at=0.0, session="", user="", message_id="", text="")


class Scene:
    """A run while it goes on; `records` is the history so far."""

    def __init__(self, schedule: Schedule, clock: SimClock, records: list[Record]) -> None:
        self.schedule = schedule
        self.clock = clock
        self._records = records
        self._start = clock.monotonic()
        self._turns = {trace_of(said): said for said in reversed(schedule.messages)}
        self._outages = [event for event in schedule.events if isinstance(event, Outage)]
        self._healed = max((event.at for event in schedule.events), default=0.0) + HEALED
        self._counted: Counter[tuple[str, str]] = Counter()
        self._outside = copy_context()

    def now(self) -> float:
        """Seconds after the start."""
        return self.clock.monotonic() - self._start

    def add(self, record: Record) -> None:
        """Write down what happened, unless an instance says so that was killed."""
        process = here()
        if process is None or not process.dead:
            self._records.append(record)

    def write(self, record: Record) -> None:
        """Write down what happened, whoever runs now."""
        self._records.append(record)

    def later(self, seconds: float, act: Callable[[Unpack[Ts]], object], *args: *Ts) -> None:
        """Have the world around do something, whatever becomes of who runs now."""
        asyncio.get_running_loop().call_later(seconds, act, *args, context=self._outside)

    def where(self, said: Said | None = None, instance: int = 0) -> Where:
        """Now, and on whose behalf."""
        return (
            Where(self.now(), said.session, said.message_id, instance) if said else Where(self.now(), "", "", instance)
        )

    def turn_of(self, trace_id: str | None) -> Said:
        """The message whose turn has this trace id; one without a name when it is nobody's."""
        return self._turns.get(trace_id or "", _NOBODY)

    def next_request(self) -> int:
        """The number of the next request of the run, from 1."""
        return self._next("", "request")

    def model_fault(self, session: str, role: Role) -> Fault | None:
        """What becomes of the session's next call of a model, which is that of a model with this role."""
        number = self._next(session, "model")
        now = self.now()
        met = (one for one in self._outages if one.at <= now < one.until and one.spared != role)
        everywhere = next((outage.fault for outage in met), None)
        return everywhere or (self.schedule.models.get(session, {}).get(number) if now < self._healed else None)

    def next_run(self, session: str) -> int:
        """The number of the session's next run of a tool, from 1."""
        return self._next(session, "tool")

    def _next(self, session: str, what: str) -> int:
        self._counted[session, what] += 1
        return self._counted[session, what]


def trace_of(said: Said) -> str:
    """A trace id for the message, the same in each replay."""
    return f"{said.message_id.encode().hex():0>30}01"[-32:]
