"""Instances that are killed between any two steps lose nothing, repeat nothing, and are followed up in time."""

from collections import Counter
from collections.abc import Iterator

import pytest

from emonk.store.protocol import LEASE_SECONDS
from emonk.testing.simulator import (
    Crash,
    Fault,
    History,
    Jump,
    ModelFault,
    Outcome,
    Restart,
    Said,
    Schedule,
    ToolFault,
    judge,
    replay,
)
from emonk.testing.simulator.crashes import with_crashes
from emonk.testing.simulator.history import Answered, Crashed, Granted, Happened, Leased, ToolActed, Up, Wrote
from emonk.testing.simulator.history import Said as Says
from emonk.testing.simulator.run import try_seed
from emonk.testing.simulator.schedule import schedule
from emonk.testing.simulator.steps import IN_STOP, kinds, table
from tests.testing.crash_mutants import ACKNOWLEDGED_TOO_SOON, CRASH_MUTANTS, FENCE_IGNORED
from tests.testing.mutants import Plant
from tests.testing.simulated import posting_agent, travel_agent

SLOW = {number: Fault(ModelFault.SLOW, 20) for number in range(1, 40, 2)}


def killed(after: str, seed: int = 1, *, hosts: int = 1, down: float = 1.0, **crash: object) -> History:
    """Two instances with a pump, of which one is killed once after a step of this kind."""
    said = (
        Said(at=1, session="s1", user="ann", message_id="m1", text="Go", streaming=True, gives_up=seed % 3 == 0),
        Said(at=1.5, session="s2", user="bob", message_id="n1", text="Go"),
        Said(at=1.6, session="s2", user="bob", message_id="n2", text="And now", instance=1),
        Said(at=200, session="s1", user="ann", message_id="m2", text="Go on"),
    )
    waits = int(after.startswith(("look for reply", "look up effect")))
    first = (Crash(at=1.2, step=1, after="run tool sent", down=60),) if after.startswith("look up effect") else ()
    stop = (Restart(2.0),) if IN_STOP in after else ()
    events = (Crash(at=0.5, instance=waits, step=1, after=after, down=down, **crash), *said, *stop, *first)  # type: ignore[arg-type]
    run = Schedule(
        seed=seed,
        events=tuple(sorted(events, key=lambda event: event.at)),
        models={"s1": SLOW, "s2": {1: Fault(ModelFault.EMPTY)}},
        tools={"s2": {number: Fault(ToolFault.DROPPED_AFTER) for number in range(1, 4)}},
        instances=2,
        hosts=hosts,
        pump=True,
    )
    return replay(posting_agent(model="gemini:gemini-2.0-flash" if after.startswith("bill") else "offline"), run)


COMMON = sorted(set(kinds()) - {"release sent", "release done", "release heard"})
"""An instance that is not stopped gives a session back unfinished only where no model can be called for long."""


@pytest.mark.parametrize("after", COMMON)
def test_an_instance_is_killed_after_a_step_of_every_kind(after: str) -> None:
    seen: Counter[str] = Counter()
    for seed in range(1, 25):
        history = killed(after, seed)
        seen.update(crashed.after for crashed in history.of(Crashed))
        assert judge(history).broken is None, "\n".join(history.lines())
        if after in seen:
            break
    assert after in seen


def test_what_is_killed_does_nothing_any_more() -> None:
    history = killed("write answer done", down=400.0)
    crash = next(history.of(Crashed))
    later = [one for one in history.records if one.at > crash.at and one.where.instance == 0]
    assert [one for one in later if not isinstance(one, Says | Happened | Leased | Wrote | ToolActed)] == []
    assert {one.where.instance for one in history.of(Up) if one.up} == {0, 1, 10}


def first_taken_over(history: History) -> float:
    """Seconds from the crash until another life has the turn."""
    crash = next(history.of(Crashed))
    return next(one.at for one in history.of(Granted) if one.resumed and one.at > crash.at) - crash.at


def test_on_the_same_host_a_cut_turn_is_taken_up_at_once() -> None:
    assert first_taken_over(killed("ask model sent", down=400.0)) < 1.5


def test_on_another_host_a_cut_turn_is_taken_up_within_one_lease() -> None:
    waited = first_taken_over(killed("ask model sent", hosts=2, down=400.0))
    assert LEASE_SECONDS - 1 < waited < LEASE_SECONDS + 1.5


def test_an_instance_that_moves_to_another_host_waits_for_its_own_lease() -> None:
    said = Said(at=1, session="s1", user="ann", message_id="m", text="Go")
    for elsewhere, soonest, latest in ((False, 2.0, 3.5), (True, LEASE_SECONDS - 1, LEASE_SECONDS + 1.5)):
        crash = Crash(at=0.5, step=1, after="ask model sent", down=2.0, elsewhere=elsewhere)
        history = replay(travel_agent(), Schedule(seed=1, events=(crash, said), pump=True))
        assert soonest < first_taken_over(history) < latest
        assert judge(history).broken is None


def test_an_instance_that_is_killed_while_it_starts_is_not_expected_to_take_anything_up() -> None:
    said = Said(at=1, session="s1", user="ann", message_id="m1", text="Go")
    cut = Crash(at=1, step=1, after="ask model sent", down=1)
    again = Crash(at=1.5, step=1, after="look for due sent", down=30)
    history = replay(travel_agent(), Schedule(seed=1, events=(said, cut, again), pump=True))
    assert judge(history).broken is None, "\n".join(history.lines())
    assert [one.where.instance for one in history.of(Up) if one.up] == [0, 20]


@pytest.mark.parametrize("phase", ["sent", "done", "heard"])
def test_an_instance_that_is_killed_when_it_is_asked_what_is_due_is_asked_again(phase: str) -> None:
    said = Said(at=1, session="s1", user="ann", message_id="m1", text="Go", patient=True)
    crash = Crash(at=0.5, step=1, after=f"look for due {phase}", down=400)
    history = replay(travel_agent(), Schedule(seed=1, events=(crash, said)))
    assert judge(history).broken is None, "\n".join(history.lines())
    assert [crashed.after for crashed in history.of(Crashed)] == [f"look for due {phase}"]


def test_a_lease_that_outlives_its_holder_by_hours_as_the_wall_clock_was_set_back_is_waited_for() -> None:
    said = Said(at=1, session="s1", user="ann", message_id="m1", text="Go")
    crash = Crash(at=1, step=1, after="ask model sent", down=1, elsewhere=True)
    back = (Jump(5, -3600), Jump(6, -3600))
    history = replay(travel_agent(), Schedule(seed=1, events=(said, crash, *back)))
    assert judge(history).broken is None, "\n".join(history.lines())
    assert [answered.reply.status for answered in history.of(Answered)] == ["done"]


def test_who_asks_again_after_a_crash_gets_the_one_reply() -> None:
    said = Said(at=1, session="s1", user="ann", message_id="m", text="Go")
    crash = Crash(at=0.5, step=1, after="write end done", down=2.0)
    history = replay(travel_agent(), Schedule(seed=1, events=(crash, said)))
    assert len(list(history.of(Crashed))) == 1
    assert len(list(history.of(Answered))) == 1
    assert [one.finished for one in history.of(Wrote) if one.finished] == ["m"]
    assert judge(history).broken is None


def test_a_crash_at_a_time_needs_no_step() -> None:
    said = Said(at=1, session="s1", user="ann", message_id="m", text="Go")
    history = replay(travel_agent(), Schedule(seed=1, events=(said, Crash(at=1.7, down=3.0))))
    assert [round(one.at, 3) for one in history.of(Crashed)] == [1.7]
    assert [one.reply.message_id for one in history.of(Answered)] == ["m"]


def test_seeds_hold_crashes_of_every_kind_at_any_time_and_none() -> None:
    dealt = [with_crashes(schedule(seed)) for seed in range(400)]
    crashes = [[event for event in one.events if isinstance(event, Crash)] for one in dealt]
    assert {crash.after for each in crashes for crash in each} == {"", *kinds()}
    assert any(crash.step == 0 for each in crashes for crash in each)
    assert {len(each) for each in crashes} == {0, 1, 2, 3, 6}
    assert {one.hosts for one in dealt} == {1, 2}
    assert with_crashes(schedule(5)) == with_crashes(schedule(5))


def test_the_table_of_crashes_names_every_kind() -> None:
    lines = list(table(Counter({"write answer done": 3, "start heard": 1})))
    assert lines[0].split() == ["killed", "when", "it", "was", "sent", "done", "heard"]
    assert next(line for line in lines if line.startswith("write answer ")).split()[-3:] == ["0", "3", "0"]
    assert len(lines) == 1 + len({kind.rpartition(" ")[0] for kind in kinds()}) + 1


def test_a_message_that_is_acknowledged_before_it_is_durable_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    ACKNOWLEDGED_TOO_SOON(monkeypatch)
    outcomes = (judge(killed("acknowledge heard", seed)) for seed in range(0, 30, 3))
    assert {outcome.broken.invariant for outcome in outcomes if outcome.broken} == {"nothing acknowledged is lost"}


def test_a_write_of_a_dead_instance_that_is_taken_after_others_took_over_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    FENCE_IGNORED(monkeypatch)
    said = Said(at=1, session="s1", user="ann", message_id="m", text="Go")
    slow = {"s1": {number: Fault(ModelFault.SLOW, 45) for number in range(1, 9)}}
    crash = Crash(at=0.5, step=1, after="write intent sent", down=0.1)
    runs = (Schedule(seed=seed, events=(said, crash), models=slow) for seed in range(60))
    broken = (judge(replay(posting_agent(), run)).broken for run in runs)
    assert next(one.invariant for one in broken if one) == "a session has one writer"


PATIENCE = 120
"""Seeds in which a mutant must show itself."""


def found(seeds: int) -> Iterator[Outcome]:
    outcomes = (try_seed(posting_agent(), seed) for seed in range(seeds))
    return (outcome for outcome in outcomes if outcome.broken)


@pytest.mark.parametrize(("invariant", "plant"), CRASH_MUTANTS.values(), ids=list(CRASH_MUTANTS))
def test_a_mutant_that_only_a_crash_shows_is_found(
    invariant: str | set[str], plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    outcome = next(found(PATIENCE))
    assert outcome.broken
    assert outcome.broken.invariant in ({invariant} if isinstance(invariant, str) else invariant)
    assert try_seed(posting_agent(), outcome.seed) == outcome
