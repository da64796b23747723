"""What all turns of an agent have in common."""

from collections.abc import Mapping

import msgspec

from emonk.clock import Clock
from emonk.costs.book import DEFAULT, PriceBook
from emonk.costs.spending import Spending
from emonk.memory.doors import Kept
from emonk.observe.alerts import Alert, Alerts, Level, raise_alert
from emonk.resilience.deadline import Deadlines
from emonk.resilience.guards import Guards
from emonk.resilience.later import Later
from emonk.routing.opening import Routing
from emonk.runtime.bills import Bills
from emonk.runtime.candidates import Candidates
from emonk.runtime.compression.room import Room
from emonk.runtime.compression.shortening import READ_RESULT
from emonk.runtime.journal import GATHER_SECONDS
from emonk.runtime.limits import Limits
from emonk.skills.protocol import Runnable


class Setup(msgspec.Struct, frozen=True):
    """An agent, as its turns need it.

    Attributes:
        in_time: keeps its turns within their time.
        bills: takes the rows of its calls before they leave.
        purpose: what all of its calls are for, where it is always the same.
        spending: what it has spent, where it has budgets.
        gathering: has what its turns note written a moment later.
    """

    agent: str
    instructions: str
    candidates: Candidates
    tools: Mapping[str, Runnable]
    limits: Limits
    clock: Clock
    guards: Guards
    kept: Kept
    in_time: Deadlines
    alerts: Alerts | None = None
    room: Room = Room()
    reader: Runnable | None = None
    prices: PriceBook = DEFAULT
    bills: Bills | None = None
    purpose: str = ""
    spending: Spending | None = None
    routing: Routing = Routing()
    gathering: Later = msgspec.field(default_factory=lambda: Later(GATHER_SECONDS))

    def tool(self, name: str) -> Runnable | None:
        """The tool of that name, also the one that reads long results."""
        return self.tools.get(name) or (self.reader if name == READ_RESULT else None)

    def alert(self, cause: str, level: Level, message: str, trace_id: str = "") -> None:
        """Tell people what only they can mend; the process's `Alerts` do it where the agent has none."""
        alert = Alert(cause, level, message, trace_id, self.agent)
        (self.alerts.raise_alert if self.alerts else raise_alert)(alert)
