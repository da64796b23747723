"""What stands between a turn and a model that fails: the invariants of breakers and of retries.

By what reached the provider, not by what a breaker says of itself, wherever that can be told.
"""

from collections import defaultdict, deque
from collections.abc import Iterator

from emonk.resilience.breaker_events import CircuitState
from emonk.testing.simulator.history import Came, Circuit, Granted, History, Record, Sent

Dependency = tuple[int, str]
"""An instance, and a model that it calls: each has a breaker of its own."""

Turn = tuple[str, str]
"""A session, and the message that opened the turn."""

BURST = 12.0
"""Retries that a dependency is sent at once at the most: the 10 of `RetryBudget`, and two for what is not seen here."""

RATIO = 0.1
PER_MINUTE = 1.0

ON_ITS_WAY = 1.0
"""Seconds after a circuit opened in which a request that had its permit before may still set out."""


def half_open_admits_only_its_permits(history: History) -> Iterator[str]:
    """No more requests than a half-open circuit has permits reach the provider before they have decided."""
    permits = history.resilience.circuit("models").half_open_permits
    probes: dict[Dependency, dict[int, Record]] = {}
    for record in history.records:
        match record:
            case Circuit(kind="state", state=CircuitState.HALF_OPEN):
                probes[dependency_of(record)] = {}
            case Circuit(kind="state"):
                probes.pop(dependency_of(record), None)
            case Sent() if (out := probes.get(dependency_of(record))) is not None:
                out[record.number] = record
                if len(out) > permits:
                    yield f"{len(out)} requests at half-open, which has {permits} permits"
                    yield from (one.line() for one in out.values())
                    return
            case Came(error=error, blame=blame) if error and blame != "provider":
                probes.get(dependency_of(record), {}).pop(record.number, None)  # it decides nothing: another may go
            case _:
                continue


def an_open_circuit_lets_nothing_through(history: History) -> Iterator[str]:
    """Before its open time is over, whatever the wall clock says, nothing is sent."""
    opened: dict[Dependency, Circuit] = {}
    for record in history.records:
        match record:
            case Circuit(kind="state", state=CircuitState.OPEN):
                opened[dependency_of(record)] = record
            case Circuit(kind="state", state=CircuitState.CLOSED):
                opened.pop(dependency_of(record), None)
            case Sent():
                circuit = opened.get(dependency_of(record))
                if circuit and circuit.at + ON_ITS_WAY < record.at < circuit.at + circuit.wait - ON_ITS_WAY:
                    yield circuit.line()
                    yield record.line()
                    return
            case _:
                continue


def a_failing_model_is_left_alone(history: History) -> Iterator[str]:
    """Where the share of failures opens a circuit, nothing more is sent until it lets the first ones through."""
    seen: dict[Dependency, _Failing] = defaultdict(lambda: _Failing(history))
    for record in history.records:
        match record:
            case Circuit(kind="state"):
                seen[dependency_of(record)] = _Failing(history)
            case Sent():
                failing = seen[dependency_of(record)]
                if failing.since is not None and record.at > failing.since + ON_ITS_WAY:
                    yield f"{failing.told}, and it is asked again by {record.line()}"
                    yield from (came.line() for came in failing.came)
                    return
                failing.sent.add(record.number)
            case Came():
                seen[dependency_of(record)].add(record)
            case _:
                continue


def retries_keep_their_budget(history: History) -> Iterator[str]:
    """A model is sent no more retries than its budget allows: a tenth of the calls, and a few."""
    budgets: dict[Dependency, _Budget] = defaultdict(_Budget)
    failed: dict[tuple[Dependency, Turn], Came] = {}
    for record in history.records:
        turn = (record.where.session, record.message_id)
        match record:
            case Came() if record.error and record.blame != "answer":
                failed[dependency_of(record), turn] = record
            case Granted() | Came():
                failed = {key: came for key, came in failed.items() if key[1] != turn}
            case Circuit(kind="refused"):
                budgets[dependency_of(record)].call()
            case Sent() if (dependency_of(record), turn) not in failed:
                budgets[dependency_of(record)].call()
            case Sent() if not budgets[dependency_of(record)].take(record.at):
                yield f"{record.model} has been sent more retries than its budget allows"
                yield failed[dependency_of(record), turn].line()
                yield record.line()
                return
            case _:
                continue


class _Budget:
    """The retries that are left of one dependency, reckoned generously."""

    def __init__(self) -> None:
        self._tokens = BURST
        self._at = 0.0

    def call(self) -> None:
        self._tokens = min(BURST, self._tokens + RATIO)

    def take(self, at: float) -> bool:
        self._tokens = min(BURST, self._tokens + (at - self._at) * PER_MINUTE / 60)
        self._at = at
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class _Failing:
    """Which of the last requests failed, as long as the circuit is as it is.

    Attributes:
        sent: the requests that set out since then; others do not count.
        came: those that came back within the window, as far as they count.
        since: when so many had failed that the circuit has to open.
    """

    def __init__(self, history: History) -> None:
        self._settings = history.resilience.circuit("models")
        self.sent: set[int] = set()
        self.came: deque[Came] = deque()
        self.since: float | None = None
        self.told = ""

    def add(self, came: Came) -> None:
        if came.number not in self.sent or (came.error and not came.blame) or self.since is not None:
            return
        self.came.append(came)
        window = self._settings.window
        while self.came[0].at < came.at - window:
            self.came.popleft()
        # A window forgets by parts: what is about to be forgotten may count or not. So may an answer that is none.
        surely = [one for one in self.came if one.at > came.at - window * 58 / 60 and one.blame != "answer"]
        failed = sum(one.blame == "provider" for one in surely)
        may_count = len(surely) + sum(one.blame != "provider" for one in self.came if one not in surely)
        if len(surely) >= self._settings.min_calls and failed / may_count >= self._settings.failure_rate:
            self.since = came.at
            self.told = f"{failed} of {may_count} requests failed within {window:g} s"


def dependency_of(record: Circuit | Sent | Came) -> Dependency:
    """Which breaker it concerns."""
    return record.where.instance, record.model
