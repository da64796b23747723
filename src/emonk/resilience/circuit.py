"""When a circuit opens, half opens and closes: the state machine within a breaker, which is told the time."""

from collections.abc import Callable
from math import inf

from emonk.resilience.breaker_events import CircuitState
from emonk.resilience.breaker_settings import BreakerSettings
from emonk.resilience.window import Tally, Window


class Permit:
    """Leave to make one call; it is given back by `done`, whatever comes of the call.

    Attributes:
        probe: the circuit is half open, and this call is one of the few that decide.
        since: when it was given, on the monotonic clock.
        generation: of which closed or half-open time of the circuit it is; a late end counts for no other.
    """

    __slots__ = ("_settle", "generation", "probe", "since")

    def __init__(
        self, settle: "Callable[[Permit, BaseException | None], None]", generation: int, since: float, *, probe: bool
    ) -> None:
        self._settle: Callable[[Permit, BaseException | None], None] | None = settle
        self.generation = generation
        self.probe = probe
        self.since = since

    def done(self, error: BaseException | None = None) -> None:
        """Say how the call ended: None is success, else what it raised, cancellation included.

        Only the first time counts.
        """
        settle, self._settle = self._settle, None
        if settle is not None:
            settle(self, error)


class Circuit:
    """The state, what it is decided by, and how long it lasts.

    All times are seconds of one monotonic clock. `changed` is called after each change with the state before it.

    Attributes:
        state: as it was at the time of the last `advance`.
        closed: the state is closed; time alone does not change that.
        reason: why it came to that state, as one line for a reader.
        out: permits that were given and have not come back, also those that count for nothing any more.
    """

    def __init__(
        self, settings: BreakerSettings, *, random: Callable[[], float], changed: Callable[[CircuitState], None]
    ) -> None:
        self.state = CircuitState.CLOSED
        self.closed = True
        self.reason = ""
        self.out = 0
        self._settings = settings
        self._random = random
        self._changed = changed
        self._generation = 0
        self._window = Window(settings.window)
        self._probed = Tally()
        self._out: dict[Permit, float] = {}  # the probes that are out, by their deadline: the earliest first
        self._period = settings.open_for
        self._open_until = -inf
        self._closed_at = -inf

    def advance(self, now: float) -> None:
        """Do what time alone does: an open time ends, a probe is overdue."""
        while self.state is not CircuitState.CLOSED:
            if self.state is CircuitState.OPEN:
                if now < self._open_until:
                    return
                self._probed = Tally()
                self._enter(CircuitState.HALF_OPEN, "its open time is over")
            else:
                overdue, deadline = next(iter(self._out.items()), (None, inf))
                if overdue is None or now < deadline:
                    return
                # As of the deadline, not of now: nobody may have come by for hours.
                del self._out[overdue]
                late = self._settings.half_open_timeout > self._settings.slow_after
                self._record_probe(deadline, failed=True, slow=late)

    def free_at(self) -> float:
        """The time from which a call may be admitted, for all that is known; it may be past."""
        if self.state is CircuitState.OPEN:
            return self._open_until
        if self._out and self._probed.calls + len(self._out) >= self._settings.half_open_permits:
            return next(reversed(self._out.values()))
        return -inf

    def admit(self, now: float, settle: Callable[[Permit, BaseException | None], None]) -> Permit:
        """A permit for a call that begins now; `free_at` must be past."""
        self.out += 1
        permit = Permit(settle, self._generation, now, probe=not self.closed)
        if permit.probe:
            self._out[permit] = now + self._settings.half_open_timeout
        return permit

    def settle(self, permit: Permit, now: float, *, failed: bool | None) -> None:
        """Take a permit back, and record how its call ended unless that is None."""
        self.out -= 1
        if permit.generation != self._generation or (permit.probe and self._out.pop(permit, None) is None):
            return
        if failed is None:
            return
        slow = now - permit.since > self._settings.slow_after
        if permit.probe:
            self._record_probe(now, failed=failed, slow=slow)
            return
        tally = self._window.record(now, failed=failed, slow=slow)
        if (tally.failures or tally.slow) and tally.calls >= self._settings.min_calls:
            self._judge(tally, now)

    def tally(self, now: float) -> Tally:
        """The calls in the window; half open, the probes that have come back."""
        return self._probed if self.state is CircuitState.HALF_OPEN else self._window.tally(now)

    def open(self, now: float, reason: str, seconds: float | None = None) -> None:
        """Open for so many seconds, or for as long as it is its turn: with jitter, unless it is for the first time."""
        if self.state is CircuitState.CLOSED and now - self._closed_at >= self._settings.window:
            self._period = self._settings.open_for
        if seconds is None:
            again = self.state is CircuitState.HALF_OPEN
            seconds = self._period * (1 + self._settings.jitter * self._random() if again else 1)
        self._open_until = now + seconds
        self._enter(CircuitState.OPEN, reason)

    def reset(self, reason: str) -> None:
        """Close and forget everything, as if it had never opened."""
        self._closed_at = -inf
        self._window.clear()
        self._enter(CircuitState.CLOSED, reason)

    def _judge(self, tally: Tally, now: float) -> None:
        reason = self._breach(tally, "calls")
        if reason is not None:
            self.open(now, reason)

    def _record_probe(self, at: float, *, failed: bool, slow: bool) -> None:
        self._probed.add(failed=failed, slow=slow)
        if self._probed.calls < self._settings.half_open_permits:
            return
        reason = self._breach(self._probed, "probes")
        if reason is None:
            self._window.clear()
            self._closed_at = at
            self._enter(CircuitState.CLOSED, "its probes succeeded")
        else:
            self._period = min(self._period * 2, self._settings.max_open_for)
            self.open(at, reason)

    def _breach(self, tally: Tally, what: str) -> str | None:
        # Divided, not multiplied: 7 / 10 is the same float as 0.7, so that a rate is reached exactly where it says.
        if tally.failures / tally.calls >= self._settings.failure_rate:
            return f"{tally.failures} of {tally.calls} {what} failed"
        if tally.slow / tally.calls >= self._settings.slow_rate:
            return f"{tally.slow} of {tally.calls} {what} took longer than {self._settings.slow_after:g} s"
        return None

    def _enter(self, state: CircuitState, reason: str) -> None:
        before, self.state = self.state, state
        self.closed = state is CircuitState.CLOSED
        self.reason = reason
        self._generation += 1
        self._out.clear()
        self._changed(before)
