"""The simulator finds what is broken, every time again, and nothing where nothing is."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest

from emonk import Agent
from emonk.errors import InvalidConfig, MissingCredential
from emonk.records import RiskLevel
from emonk.runtime.limits import Limits
from emonk.testing.simulator import (
    Fault,
    History,
    ModelFault,
    Outage,
    Outcome,
    Report,
    Said,
    Schedule,
    SimulationFailed,
    ToolFault,
    judge,
    replay,
    schedule,
    simulate,
    try_seed,
)
from emonk.testing.simulator.history import Answered, Came, Granted, Sent, ToolActed, ToolBegan, ToolLeft
from emonk.testing.simulator.instance import Wrap
from tests.testing.simulated import IMPATIENT, PLANTED, Impatient, Plant, take_everything_for_repeatable, travel_agent

PATIENCE = 120
"""Seeds in which a planted bug must show itself."""


def broken_ones(wrap: Wrap = lambda model: model) -> Iterator[Outcome]:
    outcomes = (try_seed(travel_agent(), seed, wrap=wrap) for seed in range(PATIENCE))
    return (outcome for outcome in outcomes if outcome.broken is not None)


def invariants(outcomes: Iterator[Outcome]) -> list[str]:
    return [outcome.broken.invariant for outcome in outcomes if outcome.broken]


def test_every_invariant_holds() -> None:
    report = simulate(travel_agent(), seeds=60)
    report.check()
    assert report.seeds == 60
    assert report.requests > 300
    assert {"done", "failed", "limit", "cancelled"} <= set(report.replies)


def test_who_asks_again_at_once_does_not_keep_a_killed_instance_from_coming_back() -> None:
    outcome = try_seed(travel_agent(), 48)
    assert outcome.broken is None


@pytest.mark.parametrize(("invariant", "plant"), PLANTED.items(), ids=list(PLANTED))
def test_a_planted_bug_is_found_and_found_again(invariant: str, plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    found = next(one for one in broken_ones() if one.broken and one.broken.invariant == invariant)
    assert try_seed(travel_agent(), found.seed) == found


@pytest.mark.parametrize(("invariant", "kinds"), IMPATIENT.items(), ids=list(IMPATIENT))
def test_a_model_that_is_asked_again_too_soon_is_found(invariant: str, kinds: tuple[type[Exception], ...]) -> None:
    found = invariants(islice(broken_ones(lambda model: Impatient(model, kinds)), 1))
    assert found == [invariant]


def test_a_call_that_is_repeated_when_another_instance_takes_over_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    take_everything_for_repeatable(monkeypatch)
    assert "no call acts twice" in invariants(broken_ones())


def test_a_failure_tells_seed_evidence_and_schedule(monkeypatch: pytest.MonkeyPatch) -> None:
    PLANTED["nothing above low risk runs"](monkeypatch)
    with pytest.raises(SimulationFailed) as failed:
        simulate(travel_agent(), seeds=20).check()
    told = str(failed.value)
    assert "breaks an invariant: nothing above low risk runs\n  pay has high risk" in told
    assert "\nthe schedule\n  seed " in told
    assert told.splitlines()[-3].endswith(" broken")


def test_a_seed_is_the_same_alone_and_after_others() -> None:
    agent = travel_agent()
    alone = list(replay(agent, 12).lines())
    for seed in range(9, 12):
        replay(agent, seed)
    assert list(replay(agent, 12).lines()) == alone
    assert len(alone) > 20


PRINT = """
import hashlib
from emonk.testing.simulator import replay
from tests.testing.simulated import travel_agent
lines = [line for seed in range(20, 40) for line in replay(travel_agent(), seed).lines()]
print(len(lines), hashlib.sha256("\\n".join(lines).encode()).hexdigest())
"""


def test_a_seed_is_the_same_in_every_process(project: object) -> None:
    def printed(hash_seed: str) -> str:
        environment = os.environ | {"PYTHONHASHSEED": hash_seed}
        command = [sys.executable, "-c", PRINT]
        return subprocess.run(
            command, env=environment, cwd=str(project), capture_output=True, text=True, check=True
        ).stdout

    assert printed("1") == printed("2") != ""


def test_the_chance_of_others_is_left_alone() -> None:
    import random  # noqa: PLC0415 - what is looked at here

    random.seed(7)
    expected = random.random()
    random.seed(7)
    replay(travel_agent(), 3)
    assert random.random() == expected


def test_an_agent_that_cannot_start_says_so() -> None:
    class Locked(Impatient):
        @property
        def spec(self) -> str:
            raise MissingCredential("no key")

    with pytest.raises(MissingCredential):
        simulate(travel_agent(), seeds=1, wrap=Locked)


def test_inside_a_running_loop_it_refuses() -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match="an event loop is running"):
            simulate(travel_agent(), seeds=1)

    asyncio.run(main())


async def nobody_awaits(history: History) -> list[str]:
    return [str(history.limit)]


def nothing_given(_: History) -> None:
    return None


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"agent": "weather"}, "agent is 'weather'"),
    ({"seeds": 0}, "seeds is 0"),
    ({"seeds": 1.5}, "seeds is 1.5"),
    ({"first": -1}, "first is -1"),
    ({"invariants": [5]}, "an invariant is 5"),
    ({"invariants": 5}, "invariants is 5"),
    ({"invariants": [nobody_awaits]}, "an invariant is <function nobody_awaits"),
    ({"invariants": [nothing_given]}, "gives None"),
]


@pytest.mark.parametrize(("given", "named"), REFUSED)
def test_what_cannot_be_simulated_is_refused_by_name(given: dict[str, Any], named: str) -> None:
    settings: dict[str, Any] = {"agent": travel_agent(), "seeds": 1} | given
    with pytest.raises(InvalidConfig, match=named):
        simulate(**settings)


def test_an_invariant_of_ones_own_is_checked() -> None:
    def nobody_books(history: History) -> Iterator[str]:
        yield from (acted.line() for acted in history.of(ToolActed) if acted.tool == "book")

    report = simulate(travel_agent(), seeds=20, invariants=[nobody_books])
    assert report.broken
    assert all(outcome.broken and outcome.broken.invariant == "nobody books" for outcome in report.broken)


def one_message(**settings: object) -> Schedule:
    said = Said(at=1.0, session="s1", user="ann", message_id="m", text="Go")
    return Schedule(seed=5, events=(said,), **settings)  # type: ignore[arg-type]


def test_a_schedule_by_hand_does_what_it_says() -> None:
    faults = {1: Fault(ModelFault.RATE_LIMITED_HINT, 7.0), 2: Fault(ModelFault.DROPPED_AFTER)}
    history = replay(travel_agent(model="offline"), one_message(models={"s1": faults}))
    sent, came = list(history.of(Sent)), list(history.of(Came))
    assert [one.fault for one in sent[:3]] == ["429 with hint 7 s", "dropped after", ""]
    assert [one.error for one in came[:3]] == ["RateLimited", "Unavailable", ""]
    assert sent[1].at >= came[0].at + 7
    assert judge(history).broken is None


def test_an_outage_meets_everybody_until_it_ends() -> None:
    said = [Said(at=at, session=f"s{at}", user="ann", message_id=f"m{at}", text="Go") for at in (1, 500)]
    outage = Outage(0.0, 400.0, Fault(ModelFault.UNREACHABLE))
    history = replay(travel_agent(model="offline"), Schedule(seed=1, events=(outage, *said)))
    assert all(one.fault == "unreachable" for one in history.of(Sent) if one.at < 400)
    assert all(one.fault == "" for one in history.of(Sent) if one.at >= 400)
    answered = {one.message_id: one.reply for one in history.of(Answered)}
    assert answered["m500"].status == "done"
    assert answered["m1"].reason


def test_simulated_tools_promise_what_the_real_ones_do() -> None:
    seen: dict[str, tuple[bool, str]] = {}
    for seed in range(30):
        for began in replay(travel_agent(), seed).of(ToolBegan):
            seen[began.tool] = (began.idempotent, began.risk)
    low = str(RiskLevel.LOW)
    assert seen == {"get_weather": (True, low), "book": (False, low), "count": (True, low)}


def test_a_tool_keeps_its_own_time_limit() -> None:
    every = {number: Fault(ToolFault.HANGS) for number in range(1, 9)}
    histories = (replay(travel_agent(), Schedule(seed=seed, events=one_message().events, tools={"s1": every}))
                 for seed in range(30))  # fmt: skip
    left = [one for history in histories for one in history.of(ToolLeft) if one.tool == "count"]
    assert left
    assert {one.error for one in left} == {"CancelledError"}


def test_turns_are_taken_over_by_another_instance() -> None:
    granted = [one for seed in range(60) for one in replay(travel_agent(), seed).of(Granted)]
    assert {0, 1, 10} <= {one.where.instance for one in granted}
    assert any(one.resumed for one in granted)


def test_the_agents_own_limits_hold() -> None:
    agent = travel_agent(limits=Limits(steps=2, seconds=20))
    replies = [one.reply for seed in range(20) for one in replay(agent, seed).of(Answered)]
    assert max(reply.steps for reply in replies) <= 2
    assert {"steps", "seconds"} <= {reply.reason for reply in replies}


def test_a_limit_longer_than_the_patience_of_a_run_is_no_lost_reply() -> None:
    simulate(travel_agent(limits=Limits(seconds=1e8)), seeds=20).check()


def test_a_report_tells_which_tools_have_run() -> None:
    report = simulate(travel_agent(), seeds=10)
    assert report.tool_runs["get_weather"] > 10
    assert "pay" not in report.tool_runs
    told = ", ".join(f"{count} {name}" for name, count in sorted(report.tool_runs.items()))
    assert list(report.lines())[-1] == f"tool runs: {told}"
    assert list(simulate(Agent("mute", "offline"), seeds=2).lines())[-1] == "tool runs: none"


def test_a_schedule_follows_from_its_seed_and_can_be_read() -> None:
    assert schedule(11) == schedule(11) != schedule(12)
    lines = list(schedule(11).lines())
    assert lines[0].startswith("seed 11: ")
    assert all(len(line) < 2000 and "\n" not in line for line in lines)


def test_seeds_hold_everything_from_quiet_to_a_long_outage() -> None:
    schedules = [schedule(seed) for seed in range(300)]
    dealt = {fault.kind for one in schedules for given in (one.models, one.tools)
             for numbered in given.values() for fault in numbered.values()}  # fmt: skip
    assert dealt == {*ModelFault, *ToolFault}
    assert any(not one.models and not one.tools and len(one.messages) == len(one.events) for one in schedules)
    outages = [event.until - event.at for one in schedules for event in one.events if isinstance(event, Outage)]
    assert max(outages) > 600
    at_once = [one for one in schedules if len({(said.session, said.at) for said in one.messages}) < len(one.messages)]
    assert at_once
    assert any(len({said.message_id for said in one.messages}) < len(one.messages) for one in schedules)


def test_a_report_counts_in_any_order() -> None:
    outcomes = [try_seed(travel_agent(), seed) for seed in range(4)]
    assert list(Report(outcomes).lines()) == list(Report(reversed(outcomes)).lines())
