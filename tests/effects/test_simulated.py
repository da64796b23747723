"""Effects in the simulator's world, where nobody can look at the outside."""

from emonk import Context, Effect, NotHappened, tool
from emonk.testing.simulator.run import try_seed
from tests.testing.simulated import travel_agent


@tool(risk="low", effect="the airline")
async def book(city: str, seats: int) -> str:
    """Book a flight: twice is not the same as once."""
    raise AssertionError("no tool's own code runs in a simulation")


@book.reconcile
async def find(effect: Effect, ctx: Context) -> NotHappened:
    """Would have everything done twice."""
    raise AssertionError("no tool's own code runs in a simulation")


def test_the_promises_hold_and_no_reconcile_function_runs() -> None:
    runs = 0
    for seed in range(40):
        outcome = try_seed(travel_agent(tools=[book]), seed)
        assert outcome.broken is None, outcome.broken
        runs += outcome.tool_runs.get("book", 0)
    assert runs > 40
