"""Runs an agent's real turn code against models, tools and users that fail, on a virtual clock.

    from emonk.testing.simulator import simulate

    def test_my_agent_survives():
        simulate(my_agent, seeds=200).check()

A run follows from its seed alone, so a seed that breaks an invariant breaks it again.
"""

from emonk.testing.simulator.faults import Fault, ModelFault, ToolFault
from emonk.testing.simulator.history import History
from emonk.testing.simulator.invariants import INVARIANTS, Broken, Invariant, first_broken
from emonk.testing.simulator.run import Outcome, Report, SimulationFailed, judge, replay, simulate, try_seed
from emonk.testing.simulator.schedule import Crash, Jump, Outage, Restart, Said, Schedule, schedule
from emonk.testing.simulator.world import LEFTOVERS

__all__ = [
    "INVARIANTS",
    "LEFTOVERS",
    "Broken",
    "Crash",
    "Fault",
    "History",
    "Invariant",
    "Jump",
    "ModelFault",
    "Outage",
    "Outcome",
    "Report",
    "Restart",
    "Said",
    "Schedule",
    "SimulationFailed",
    "ToolFault",
    "first_broken",
    "judge",
    "replay",
    "schedule",
    "simulate",
    "try_seed",
]
