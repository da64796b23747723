"""Worker or lead while the world fails: the simulator's invariant of routing, and bugs that it finds."""

import pytest

from emonk.routing.section import RoutingSection
from emonk.runtime.route import Route
from emonk.testing.simulator import simulate
from emonk.testing.simulator.routes import each_way_follows_from_its_log
from tests.testing.simulated import giving, travel_agent

ONLY = [each_way_follows_from_its_log]
COMPLEX = RoutingSection(moderate_tokens=0, complex_tokens=0)


@pytest.mark.parametrize("section", [RoutingSection(), RoutingSection(moderate_tokens=0), COMPLEX])
def test_every_way_follows_from_its_log(section: RoutingSection) -> None:
    simulate(travel_agent(routing=section), seeds=12).check()


def test_a_turn_that_forgets_where_it_was_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Route, "_catch_up", giving(None))
    with pytest.raises(AssertionError, match="each way follows from its log"):
        simulate(travel_agent(routing=COMPLEX), seeds=20, invariants=ONLY).check()
