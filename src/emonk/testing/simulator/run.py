"""Many seeds, one after the other, and what they came to."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from emonk.agent import Agent
from emonk.errors import InvalidConfig
from emonk.resilience.bounds import whole
from emonk.testing.simulator.crashes import with_crashes
from emonk.testing.simulator.history import Answered, Crashed, History, Sent, ToolBegan
from emonk.testing.simulator.instance import Wrap
from emonk.testing.simulator.invariants import INVARIANTS, Broken, Invariant, check_invariants, first_broken
from emonk.testing.simulator.schedule import Schedule, schedule
from emonk.testing.simulator.world import live


class Outcome(msgspec.Struct, frozen=True):
    """What one seed came to.

    Attributes:
        messages: that were said, repetitions among them.
        requests: that were sent to models.
        seconds: of virtual time.
        replies: how many there were of each status.
        tool_runs: how often each tool was entered; of one that is missing the run says nothing.
        crashes: how often an instance was killed right after each kind of step.
        broken: the first invariant that did not hold.
        schedule: in lines, where something is broken.
        log: what happened, in lines, where something is broken.
    """

    seed: int
    messages: int
    requests: int
    seconds: float
    replies: dict[str, int]
    tool_runs: dict[str, int]
    crashes: dict[str, int] = {}
    broken: Broken | None = None
    schedule: tuple[str, ...] = ()
    log: tuple[str, ...] = ()

    def lines(self) -> Iterator[str]:
        """What is broken, and the schedule."""
        if self.broken is not None:
            yield f"seed {self.seed} breaks an invariant: {self.broken.invariant}"
            yield from (f"  {line}" for line in self.broken.evidence)
            yield "the schedule"
            yield from (f"  {line}" for line in self.schedule)


class SimulationFailed(AssertionError):
    """An invariant does not hold; the text says which, for which seed, and how that is seen."""


class Report:
    """What all seeds came to so far.

    Attributes:
        broken: the outcomes in which an invariant did not hold, by seed.
    """

    def __init__(self, outcomes: Iterable[Outcome] = ()) -> None:
        self.seeds = 0
        self.messages = 0
        self.requests = 0
        self.seconds = 0.0
        self.replies: Counter[str] = Counter()
        self.tool_runs: Counter[str] = Counter()
        self.crashes: Counter[str] = Counter()
        self.broken: list[Outcome] = []
        for outcome in outcomes:
            self.add(outcome)

    def add(self, outcome: Outcome) -> None:
        """Count one more; the order does not matter."""
        self.seeds += 1
        self.messages += outcome.messages
        self.requests += outcome.requests
        self.seconds += outcome.seconds
        self.replies.update(outcome.replies)
        self.tool_runs.update(outcome.tool_runs)
        self.crashes.update(outcome.crashes)
        if outcome.broken is not None:
            self.broken.append(outcome)
            self.broken.sort(key=lambda each: each.seed)

    def check(self) -> None:
        """End a test.

        Raises:
            SimulationFailed: an invariant did not hold.
        """
        if self.broken:
            raise SimulationFailed("\n".join(self.lines()))

    def lines(self) -> Iterator[str]:
        """The report, for people."""
        if self.broken:
            yield from self.broken[0].lines()
        for outcome in self.broken[1:]:
            broken = outcome.broken.invariant if outcome.broken else ""
            yield f"seed {outcome.seed} breaks an invariant: {broken}"
        yield from self.totals()

    def totals(self) -> Iterator[str]:
        """The numbers only."""
        told = f"{len(self.broken)} broken" if self.broken else "every invariant held"
        yield (
            f"{_count(self.seeds, 'seed')}, {_count(self.messages, 'message')}, {_count(self.requests, 'model call')}, "
            f"{_count(self.crashes.total(), 'crash', 'es')}, {self.seconds / 3600:.1f} virtual hours: {told}"
        )
        if self.replies:
            yield f"replies: {_listed(self.replies)}"
            yield f"tool runs: {_listed(self.tool_runs) or 'none'}"


def simulate(
    agent: Agent,
    *,
    seeds: int = 100,
    first: int = 0,
    invariants: Sequence[Invariant] = INVARIANTS,
    wrap: Wrap = lambda model: model,
) -> Report:
    """Run an agent's real turn code through `seeds` schedules of faults, on a virtual clock, in this process.

    Nothing of the outside is reached: neither the model nor any tool's own code nor the store is used.

    Args:
        agent: not started; each run works on copies.
        seeds: how many.
        first: the first seed; the others follow it.
        invariants: what must hold.
        wrap: puts something around each simulated model, to try it out.

    Raises:
        ConfigError: the agent cannot start; `InvalidConfig` where an argument is none.
        RuntimeError: an event loop is running in this thread.
    """
    if not isinstance(agent, Agent):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidConfig(
            f"agent is {agent!r}", hint="give an Agent; Agent.from_file(FILE) makes one of an agent.yaml"
        )
    whole("seeds", seeds, least=1)
    whole("first", first)
    check_invariants(invariants)
    return Report(try_seed(agent, seed, invariants, wrap) for seed in range(first, first + seeds))


def try_seed(
    agent: Agent, seed: int, invariants: Sequence[Invariant] = INVARIANTS, wrap: Wrap = lambda model: model
) -> Outcome:
    """Run one seed."""
    return judge(live(agent, with_crashes(schedule(seed)), wrap=wrap), invariants)


def replay(agent: Agent, run: int | Schedule, *, wrap: Wrap = lambda model: model) -> History:
    """Everything that happens in one run, of a seed or of a schedule written by hand."""
    return live(agent, with_crashes(schedule(run)) if isinstance(run, int) else run, wrap=wrap)


def judge(history: History, invariants: Sequence[Invariant] = INVARIANTS) -> Outcome:
    """What a run came to."""
    broken = first_broken(history, invariants)
    return Outcome(
        seed=history.schedule.seed,
        messages=len(history.schedule.messages),
        requests=sum(1 for _ in history.of(Sent)),
        seconds=round(history.seconds, 3),
        replies=dict(Counter(answered.reply.status for answered in history.of(Answered))),
        tool_runs=dict(Counter(began.tool for began in history.of(ToolBegan))),
        crashes=dict(Counter(crashed.after for crashed in history.of(Crashed))),
        broken=broken,
        schedule=tuple(history.schedule.lines()) if broken else (),
        log=tuple(history.lines()) if broken else (),
    )


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))


def _count(number: int, what: str, more: str = "s") -> str:
    return f"{number} {what}{more if number != 1 else ''}"
