"""When a model could not be called: by what its breaker told, and by how long that may last."""

from collections import defaultdict

import msgspec

from emonk.resilience.breaker_events import CircuitState
from emonk.resilience.section import BreakerSection
from emonk.testing.simulator.circuits import ON_ITS_WAY, Dependency, dependency_of
from emonk.testing.simulator.history import Circuit, History, Sent

_JITTER = 1.1
"""An opening after the first lasts up to so much longer, so that replicas do not come back together."""


class Refusal(msgspec.Struct):
    """A time in which a model could not be called, or perhaps not.

    Attributes:
        pause: its server asked for it; else the circuit was open, or half open with requests on their way.
    """

    since: float
    until: float
    pause: bool = False


class Refusals:
    """All such times of one model in one instance.

    Attributes:
        told: the events that they are taken from.
        requests: when each request was sent or refused.
    """

    def __init__(self, settings: BreakerSection) -> None:
        self.told: list[Circuit] = []
        self.requests: list[float] = []
        self._settings = settings
        self._all: list[Refusal] = []
        self._probes: Refusal | None = None
        self._opened_at: float | None = None
        self._closed_at = -settings.window
        self._state = CircuitState.CLOSED
        self._period = settings.open_for

    def between(self, since: float, until: float) -> list[Refusal]:
        """Those that touch this time."""
        return [one for one in self._all if one.since <= until and since <= one.until]

    def sent(self, at: float) -> None:
        """A request was sent."""
        self.requests.append(at)
        if self._opened_at is not None and self._probes is None and at > self._opened_at + ON_ITS_WAY:
            self._probes = Refusal(at, float("inf"))
            self._all.append(self._probes)

    def tell(self, circuit: Circuit) -> None:
        """The breaker told something."""
        if circuit.kind == "refused":
            self.requests.append(circuit.at)
            return
        self.told.append(circuit)
        if circuit.kind == "cool_down":
            self._all.append(Refusal(circuit.at, circuit.at + circuit.wait, pause=True))
            return
        if circuit.state is CircuitState.OPEN:
            self._all.append(Refusal(circuit.at, circuit.at + min(circuit.wait, self._longest(circuit.at))))
            self._opened_at = circuit.at
        if circuit.state is CircuitState.CLOSED:
            self._opened_at = None
            self._closed_at = circuit.at
        if circuit.state is not CircuitState.HALF_OPEN and self._probes is not None:
            self._probes.until = circuit.at
            self._probes = None
        self._state = circuit.state

    def _longest(self, at: float) -> float:
        """Seconds that the circuit which opens now may stay open."""
        settings = self._settings
        if self._state is CircuitState.HALF_OPEN:
            self._period = min(2 * self._period, settings.max_open_for)
        elif at - self._closed_at >= settings.window:
            self._period = settings.open_for
        return _JITTER * self._period


def refusals(history: History) -> dict[Dependency, Refusals]:
    """Those of every model in every instance."""
    found: dict[Dependency, Refusals] = defaultdict(lambda: Refusals(history.resilience.circuit("models")))
    for record in history.records:
        match record:
            case Sent():
                found[dependency_of(record)].sent(record.at)
            case Circuit():
                found[dependency_of(record)].tell(record)
            case _:
                continue
    return found
