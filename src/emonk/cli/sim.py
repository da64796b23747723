"""`emonk sim`: an agent's real turn code in a world that fails."""

import signal
from collections.abc import Callable
from contextlib import ExitStack
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import typer

from emonk.cli.passing import PassingLine
from emonk.cli.tenants import SHIPPED, agent_file, load_agent
from emonk.cli.terminal import say, visible
from emonk.cli.trouble import FAILED, INTERRUPTED

if TYPE_CHECKING:
    from emonk.agent import Agent
    from emonk.testing.simulator.run import Outcome, Report

SEEDS = 100
PACE_SECONDS = 0.2


def sim(
    agent: Annotated[str, typer.Option("--agent", help="A shipped agent, or the path of an agent.yaml or its folder.")],
    seeds: Annotated[
        int | None, typer.Option("--seeds", help=f"How many: {SEEDS}, or one with --seed.", min=1, max=10_000_000)
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", help="The first one; alone, its whole run is shown.", min=0)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Run an agent's turns against models and tools that fail, and check that its promises hold.

    Neither its model nor its tools' own code nor its store is used. What happens follows from the seed: one that breaks
    an invariant breaks it again. Exit code 1 when one was broken.
    """
    from emonk.testing.simulator.run import Report  # noqa: PLC0415  help is shown without it

    loaded = load_agent(agent)
    report, line = Report(), PassingLine(pace=PACE_SECONDS)

    def seen(outcome: "Outcome") -> None:
        report.add(outcome)
        line.show(f"{report.seeds} of {seeds or SEEDS} seeds")

    if seed is not None and seeds is None:
        return _show(loaded, seed, as_json=as_json)
    interrupted = False
    try:
        _run(agent, loaded, seed or 0, seeds or SEEDS, seen)
    except KeyboardInterrupt:
        interrupted = True
    line.clear()
    _print(_json(report, loaded) if as_json else _text(agent, report, loaded))
    if report.broken:
        return FAILED
    return INTERRUPTED if interrupted else 0


def _run(name: str, agent: "Agent", first: int, count: int, seen: "Callable[[Outcome], object]") -> None:
    """The first one here, so that an agent that cannot start says so; the others in processes if they are many."""
    from emonk.testing.simulator.processes import WORTH_IT, cores, spread  # noqa: PLC0415 - as above
    from emonk.testing.simulator.run import try_seed  # noqa: PLC0415 - as above

    alone = count <= WORTH_IT or cores() == 1
    with _InterruptsKept() as interrupts:
        for seed in range(first, first + (count if alone else 1)):
            seen(try_seed(agent, seed))
            interrupts.check()
    if alone:
        return
    import asyncio  # noqa: PLC0415 - as above

    with ExitStack() as stack:
        asyncio.run(spread(_file(name, stack), first + 1, count - 1, seen))


def _file(name: str, stack: ExitStack) -> Path:
    package = SHIPPED.get(name)
    if package is not None:
        return stack.enter_context(as_file(files(package) / "agent.yaml"))
    return agent_file(name) or Path(name)


def _show(agent: "Agent", seed: int, *, as_json: bool) -> int:
    """One run, whole."""
    from emonk.testing.simulator.run import Report, judge, replay  # noqa: PLC0415 - as above

    history = replay(agent, seed)
    outcome = judge(history)
    report = Report([outcome])
    if as_json:
        _print(_json(report, agent))
        return FAILED if report.broken else 0
    lines = ["the schedule", *(f"  {line}" for line in history.schedule.lines())]
    lines += ["what happened", *(f"  {line}" for line in history.lines())]
    if outcome.broken is not None:
        lines += [f"broken: {outcome.broken.invariant}", *(f"  {line}" for line in outcome.broken.evidence)]
    _print(visible("\n".join([*lines, *report.totals(), *_without_tools(agent)])))
    return FAILED if report.broken else 0


def _print(text: str) -> None:
    """The report on standard output.

    Raises:
        Unavailable: it cannot be written, and not because nobody reads on.
    """
    from emonk.errors import Unavailable  # noqa: PLC0415 - as above

    try:
        say(text)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Unavailable(f"cannot write to standard output: {error.strerror}") from error


def _without_tools(agent: "Agent") -> list[str]:
    return [] if agent.tools else ["the agent has no tools, so nothing of what they promise was tried"]


def _text(name: str, report: "Report", agent: "Agent") -> str:
    lines = [*report.lines(), *_without_tools(agent)]
    if report.broken:
        lines.append(f"all that happened: emonk sim --agent {name} --seed {report.broken[0].seed}")
    return visible("\n".join(lines))


def _json(report: "Report", agent: "Agent") -> str:
    import msgspec  # noqa: PLC0415 - as above

    whole = {
        "seeds": report.seeds,
        "messages": report.messages,
        "requests": report.requests,
        "virtual_seconds": round(report.seconds, 3),
        "replies": dict(sorted(report.replies.items())),
        "tools": [tool.name for tool in agent.tools],
        "tool_runs": dict(sorted(report.tool_runs.items())),
        "broken": [
            {
                "seed": outcome.seed,
                "invariant": outcome.broken.invariant,
                "evidence": outcome.broken.evidence,
                "schedule": outcome.schedule,
                "log": outcome.log,
            }
            for outcome in report.broken
            if outcome.broken is not None
        ],
    }
    return msgspec.json.encode(whole).decode()


class _InterruptsKept:
    """Keeps an interrupt until a seed is over: within one, it could be taken for what a tool or a task raised.

    The second one ends the process at once.
    """

    def __init__(self) -> None:
        self._came = False
        self._before: Any = None

    def __enter__(self) -> Self:
        self._before = signal.getsignal(signal.SIGINT)
        if self._before is not signal.SIG_IGN:  # who started this wants none
            signal.signal(signal.SIGINT, self._keep)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:  # nobody in Python had set it
            signal.signal(signal.SIGINT, self._before)

    def check(self) -> None:
        """Raise it now.

        Raises:
            KeyboardInterrupt: there was one.
        """
        if self._came:
            raise KeyboardInterrupt

    def _keep(self, *_: object) -> None:
        self._came = True
        signal.signal(signal.SIGINT, signal.SIG_DFL)
