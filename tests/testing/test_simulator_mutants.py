"""Small changes of emonk's own code are found, each by its invariant, and found again."""

import pytest

from emonk.testing.simulator import Fault, ModelFault, Restart, Said, Schedule, ToolFault, judge, replay, try_seed
from tests.testing.mutants import IN_ANOTHER_INSTANCE, MUTANTS, Plant
from tests.testing.simulated import book, travel_agent

PATIENCE = 120
"""Seeds in which a mutant must show itself."""


@pytest.mark.parametrize(("invariant", "plant"), MUTANTS.values(), ids=list(MUTANTS))
def test_a_mutant_is_found_and_found_again(
    invariant: str | set[str], plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    outcomes = (try_seed(travel_agent(), seed) for seed in range(PATIENCE))
    found = next(outcome for outcome in outcomes if outcome.broken)
    assert found.broken
    assert found.broken.invariant in ({invariant} if isinstance(invariant, str) else invariant)
    assert try_seed(travel_agent(), found.seed) == found


def test_a_call_that_is_repeated_by_whoever_takes_its_turn_over_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def outcomes() -> list[str]:
        judged = (judge(replay(travel_agent(tools=[book]), taken_over(seed))) for seed in range(20))
        return [outcome.broken.invariant for outcome in judged if outcome.broken]

    assert outcomes() == []
    IN_ANOTHER_INSTANCE(monkeypatch)
    assert set(outcomes()) == {"no unknown outcome is retried"}


def taken_over(seed: int) -> Schedule:
    """A turn that is taken over after a tool's outcome was unknown, while the model is asked what to do about it."""
    said = Said(at=1, session="s1", user="ann", message_id="m", text="Go")
    slow = {number: Fault(ModelFault.SLOW, 20) for number in range(2, 9)}
    unknown = {number: Fault(ToolFault.UNKNOWN) for number in range(1, 9)}
    return Schedule(seed=seed, events=(said, Restart(12)), models={"s1": slow}, tools={"s1": unknown})
