"""Which instances are killed in a run, and when: between any two steps, and at any time."""

from collections.abc import Iterator, Sequence
from random import Random

import msgspec

from emonk.testing.simulator.schedule import Crash, Event, Restart, Said, Schedule
from emonk.testing.simulator.steps import IN_STOP, kinds

_SPARED = 0.35
"""Schedules without a crash."""

_ONCE = 0.15
"""How likely a caller does not come back when the instance was killed."""

_KINDS = tuple(kinds())


def with_crashes(schedule: Schedule) -> Schedule:
    """The same run in which, of most seeds, instances are killed."""
    random = Random(f"emonk {schedule.seed} crashes")  # noqa: S311 - it is to be repeatable
    if random.random() < _SPARED or not schedule.messages:
        return schedule
    events: list[Event] = [_once(event, random) for event in schedule.events]
    for _ in range(random.choice((1, 1, 2, 2, 3, 6))):
        events += _crash(schedule.messages, schedule.instances, random)
    return msgspec.structs.replace(
        schedule,
        events=tuple(sorted(events, key=lambda event: event.at)),
        hosts=random.choice((1, schedule.instances)),
    )


def _once(event: Event, random: Random) -> Event:
    if isinstance(event, Said) and random.random() < _ONCE:
        return msgspec.structs.replace(event, gives_up=True)
    return event


def _crash(messages: Sequence[Said], instances: int, random: Random) -> Iterator[Crash | Restart]:
    """After a step of some kind, after any step, or at any time; each within or before some turn."""
    said = random.choice(messages)
    instance = said.instance if random.random() < 0.8 else random.randrange(instances)
    at, step, after = said.at, random.choice((1, 1, 1, 2, 2, 3, 5)), ""
    match random.choice(("kind", "kind", "step", "time")):
        case "kind":
            after = random.choice(_KINDS)
        case "step":
            step = random.randint(1, 60)
        case _:
            at, step = round(at + random.uniform(0, 30), 3), 0
    if IN_STOP in after:
        step = 1
        yield Restart(round(at + random.uniform(0.1, 4), 3), instance)
    yield Crash(
        at=at,
        instance=instance,
        step=step,
        after=after,
        down=random.choice((0.1, 1.0, 1.0, 5.0, 45.0, 400.0)),
        elsewhere=random.random() < 0.3,
    )
