"""What happens in one simulated run: who says what when, and what goes wrong. All of it follows from the seed."""

from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Literal

import msgspec

from emonk.routing.decision import Role
from emonk.testing.simulator.faults import OUTAGES, Fault, measured, model_fault, tool_fault

Leave = Literal["", "leaves", "cancels"]
CALLS = 40
"""Calls of a model, and runs of tools, of one session that may get a fault; later ones go well."""

_CROWDED = 0.12
"""How likely many come at once, and find an outage."""

_LONGEST_OPEN = 400.0
"""Seconds after an outage by which a circuit is open no more, whatever it came to before."""

_WORDS = ("weather", "report", "status", "list", "plan", "draft", "check", "help", "numbers", "again")


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """A user's message. Times are seconds after the start.

    Attributes:
        message_id: the same one twice is a repetition.
        instance: which of the agent's instances it is said to.
        streaming: the user watches the answer.
        patient: nobody waits for the reply, and only a language model may give it.
        leave: the caller goes away, or cancels the turn, `after` seconds.
        gives_up: the caller does not come back when the instance was killed.
    """

    at: float
    session: str
    user: str
    message_id: str
    text: str
    instance: int = 0
    streaming: bool = False
    patient: bool = False
    leave: Leave = ""
    after: float = 0.0
    gives_up: bool = False

    def __str__(self) -> str:
        how = ", watching" if self.streaming else ", for later" if self.patient else ""
        where = f" to instance {self.instance}" if self.instance else ""
        left = f", {self.leave} after {self.after:g} s" if self.leave else ""
        left += ", once" if self.gives_up else ""
        return f"{self.session}: {self.user} says {self.message_id} {self.text!r}{where}{how}{left}"


class Jump(msgspec.Struct, frozen=True):
    """The wall clock is set forward or back."""

    at: float
    seconds: float

    def __str__(self) -> str:
        return f"the wall clock jumps {self.seconds:+g} s"


class Outage(msgspec.Struct, frozen=True):
    """Every call of a model meets this fault for a while, but for those of the model with the `spared` role."""

    at: float
    until: float
    fault: Fault
    spared: Role | None = None

    def __str__(self) -> str:
        but = f" but the {self.spared}" if self.spared else ""
        return f"outage of the models{but} until {self.until:g} s: {self.fault}"


class Restart(msgspec.Struct, frozen=True):
    """An instance stops in order and starts again, as at a deploy. Its turns go on wherever they are taken up."""

    at: float
    instance: int = 0

    def __str__(self) -> str:
        return f"instance {self.instance} restarts"


class Crash(msgspec.Struct, frozen=True, kw_only=True):
    """An instance is killed, as by `kill -9`, and starts again `down` seconds later.

    Attributes:
        at: from when on its steps are counted, or when it is killed if none are.
        step: right after which of them it is killed; 0 is for at once.
        after: which kind of steps counts, such as `write answer done`; empty for all.
        elsewhere: it starts again on another host, from where nobody sees that its former process is dead.
    """

    at: float
    instance: int = 0
    step: int = 0
    after: str = ""
    down: float = 1.0
    elsewhere: bool = False

    def __str__(self) -> str:
        when = f" after step {self.step}{f' of {self.after}' if self.after else ''}" if self.step else ""
        where = " on another host" if self.elsewhere else ""
        return f"instance {self.instance} is killed{when}, and is back{where} in {self.down:g} s"


Event = Said | Jump | Outage | Restart | Crash
Faults = Mapping[str, Mapping[int, Fault]]
"""By session, then by the number of the call in it, from 1."""


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """A whole run.

    Attributes:
        instances: agents on the one store, as replicas of a service are.
        hosts: on how many hosts these are.
        pump: instances look for turns that others left, as `emonk serve` does.
    """

    seed: int
    events: tuple[Event, ...]
    models: Faults = {}
    tools: Faults = {}
    instances: int = 1
    hosts: int = 1
    pump: bool = False

    @property
    def messages(self) -> tuple[Said, ...]:
        return tuple(event for event in self.events if isinstance(event, Said))

    def lines(self) -> Iterator[str]:
        """The schedule, for people."""
        pump = " with a pump" if self.pump else ""
        hosts = f" on {self.hosts} hosts" if self.hosts > 1 else ""
        yield f"seed {self.seed}: {self.instances} instance{'s' * (self.instances > 1)}{hosts}{pump}"
        for event in self.events:
            yield f"{event.at:9.3f}  {event}"
        for what, faults in (("model call", self.models), ("tool run", self.tools)):
            for session, numbered in faults.items():
                told = ", ".join(f"{number} {fault}" for number, fault in numbered.items())
                yield f"           {session}: {what} {told}"


def schedule(seed: int) -> Schedule:
    """The run that belongs to a seed: some are quiet, some rough, some one long outage."""
    random = Random(f"emonk {seed}")  # noqa: S311 - it is to be repeatable
    rate = random.choice((0.0, 0.0, 0.05, 0.15, 0.15, 0.3, 0.6))
    tool_rate = random.choice((rate, rate, 0.5))
    instances = random.choice((1, 1, 1, 2))
    sessions = [f"s{number}" for number in range(1, random.choice((1, 2, 3, 4)) + 1)]
    messages = [said for session in sessions for said in _conversation(session, instances, random)]
    events: list[Event] = [*messages, *_jumps(random), *_outages(random), *_restarts(instances, random)]
    if random.random() < _CROWDED:
        events += _crowd(instances, random)
    return Schedule(
        seed=seed,
        events=tuple(sorted(events, key=lambda event: event.at)),
        models={name: dealt for name in sessions if (dealt := _deal(rate, model_fault, random))},
        tools={name: dealt for name in sessions if (dealt := _deal(tool_rate, tool_fault, random))},
        instances=instances,
        pump=random.random() < 0.4,
    )


def _conversation(session: str, instances: int, random: Random) -> Iterator[Said]:
    at = _time(random.uniform(0, 30))
    said: list[Said] = []
    for number in range(1, random.choice((1, 2, 3, 4, 6)) + 1):
        patient = random.random() < 0.06
        leave: Leave = "" if patient else random.choice(("", "", "", "", "", "", "leaves", "cancels"))
        one = Said(
            at=at,
            session=session,
            user=random.choice(("ann", "ann", "bob")),
            message_id=f"{session}m{number}",
            text=f"{session}m{number} {random.choice(_WORDS)}",
            instance=random.randrange(instances),
            streaming=random.random() < 0.4 and not patient,
            patient=patient,
            leave=leave,
            after=_time(random.choice((0.0, random.uniform(0, 1), random.uniform(0, 20)))) if leave else 0.0,
        )
        said.append(one)
        yield one
        if random.random() < 0.15:
            again = random.choice(said)
            later = at + random.choice((0.0, 0.5, 5.0, 400.0))
            yield msgspec.structs.replace(
                again, at=later, leave="", after=0.0, instance=random.randrange(instances), streaming=False
            )
        at = _time(at + random.choice((0.0, 0.0, random.uniform(0, 5), random.uniform(5, 60), 320.0)))


def _crowd(instances: int, random: Random) -> Iterator[Event]:
    """An outage under load: many come at once while it lasts, when circuits half open, and after it."""
    fault = measured(random.choice(OUTAGES), random)
    begins = random.uniform(0, 30)
    ends = _time(begins + random.choice((40, 90, 300)))
    yield Outage(_time(begins), ends, fault, random.choice((None, "lead", "fallback")))
    waves = (
        begins + 1,
        begins + random.uniform(28, 42),
        begins + random.uniform(60, 120),
        ends + random.uniform(1, 60),
    )
    sessions = random.choice((5, 8, 12))
    for wave, at in enumerate((*waves, ends + _LONGEST_OPEN), 1):
        for number in range(1, sessions + 1):
            yield Said(
                at=_time(at + random.choice((0.0, 0.0, random.uniform(0, 2)))),
                session=f"c{number}",
                user="ann",
                message_id=f"c{number}m{wave}",
                text=f"c{number}m{wave} {random.choice(_WORDS)}",
                instance=random.randrange(instances),
                streaming=random.random() < 0.3,
                leave="cancels" if random.random() < 0.1 else "",
                after=_time(random.uniform(0, 3)),
            )


def _jumps(random: Random) -> Iterator[Jump]:
    for _ in range(random.choice((0, 0, 0, 1, 1, 3))):
        yield Jump(_time(random.uniform(0, 90)), random.choice((3600.0, -3600.0, 3600.0, -3600.0, 31.0, -31.0)))


def _outages(random: Random) -> Iterator[Outage]:
    if random.random() < 0.2:
        at = _time(random.uniform(0, 20))
        fault = measured(random.choice(OUTAGES), random)
        yield Outage(at, _time(at + random.uniform(30, 900)), fault, random.choice((None, None, "lead", "fallback")))


def _restarts(instances: int, random: Random) -> Iterator[Restart]:
    if random.random() < 0.2:
        for _ in range(random.choice((1, 2, 4))):
            yield Restart(_time(random.uniform(1, 60)), random.randrange(instances))


def _deal(rate: float, make: Callable[[Random], Fault], random: Random) -> dict[int, Fault]:
    return {number: make(random) for number in range(1, CALLS + 1) if random.random() < rate}


def _time(seconds: float) -> float:
    return round(seconds, 3)
