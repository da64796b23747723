"""A circuit breaker: it stops calls to a dependency that fails or drags, and lets a few through to see if it is back.

After resilience4j and Polly: a sliding window of time, rates rather than consecutive failures, and a fixed number of
permits when half open. One breaker belongs to one event loop; it is not safe to use from several threads.
"""

import asyncio
import inspect
import random as chance
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from math import ceil, inf, nextafter
from types import TracebackType
from typing import Any, Literal, ParamSpec, TypeVar, overload

from emonk.clock import SYSTEM_CLOCK, Clock, timestamp
from emonk.errors import CircuitOpen, InvalidConfig
from emonk.resilience.bounds import above_zero, chance_of, clock_of, number
from emonk.resilience.breaker_events import BreakerEvent, BreakerStatus, CircuitState, Listener, Listeners
from emonk.resilience.breaker_settings import BreakerSettings
from emonk.resilience.circuit import Circuit, Permit
from emonk.resilience.classify import Verdict, hint_of, verdict

P = ParamSpec("P")
T = TypeVar("T")

DAY = 86_400.0
"""The longest cool-down in seconds: whatever a server asks for, it is asked again after a day."""

_LAST_SECOND = 253_402_300_799
"""9999-12-31 23:59:59 UTC, the last that `datetime` knows, in seconds since 1970."""


class CircuitBreaker:
    """Watches the calls to one dependency, and refuses them while it is down.

    Closed, it opens when at least `min_calls` calls were recorded within `window` seconds and the share of failures
    reaches `failure_rate`, or that of calls longer than `slow_after` seconds reaches `slow_rate`. Open, it refuses for
    `open_for` seconds. Half open, it admits exactly `half_open_permits` calls; when all have come back, the same rates
    over them decide whether it closes or opens again, for twice as long each time, up to `max_open_for`. A probe that
    has not come back within `half_open_timeout` seconds has failed. Once it has stayed closed for a whole `window`, the
    next opening lasts `open_for` again.

    What counts as a failure `classify.verdict` says. What is not the dependency's fault (a refused argument, a
    configuration, a cancelled call) is not recorded, and its permit returns. A server's hint begins a cool-down.
    """

    def __init__(
        self,
        name: str,
        *,
        failure_rate: float = 0.5,
        slow_rate: float = 0.8,
        slow_after: float | None = 30.0,
        window: float = 60.0,
        min_calls: int = 10,
        open_for: float = 30.0,
        max_open_for: float = 300.0,
        half_open_permits: int = 3,
        half_open_timeout: float = 60.0,
        jitter: float = 0.1,
        clock: Clock = SYSTEM_CLOCK,
        random: Callable[[], float] = chance.random,
    ) -> None:
        """Begin closed.

        Args:
            name: of the dependency, as users know it: it stands in errors and events.
            failure_rate: share of failures that opens, above 0 and at most 1.
            slow_rate: share of slow calls that opens, above 0 and at most 1.
            slow_after: seconds; a longer call is slow. None or infinity: slowness does not count.
            window: seconds that calls are remembered for.
            min_calls: fewer recorded calls than this never open.
            open_for: seconds of the first opening.
            max_open_for: seconds that the doubling stops at.
            half_open_permits: how many calls decide.
            half_open_timeout: seconds that each of them has.
            jitter: an opening after the first lasts up to this share longer, never shorter, so that replicas do not
                come back together; 0 for exact times.
            clock: where the seconds come from; all but the texts and `at` of events go by its `monotonic()`.
            random: numbers from 0 to below 1.

        Raises:
            InvalidConfig: a value that makes no sense.
        """
        self.name = _named(name)
        settings = BreakerSettings(
            failure_rate=failure_rate,
            slow_rate=slow_rate,
            slow_after=inf if slow_after is None else slow_after,
            window=window,
            min_calls=min_calls,
            open_for=open_for,
            max_open_for=max_open_for,
            half_open_permits=half_open_permits,
            half_open_timeout=half_open_timeout,
            jitter=jitter,
        )
        self._circuit = Circuit(settings, random=chance_of("random", random), changed=self._changed)
        self._clock = clock_of("clock", clock)
        self._listeners = Listeners()
        self._entered: dict[asyncio.Task[Any] | None, list[Permit]] = {}
        self._cool_until = -inf
        self._open_for = settings.open_for
        self._max_open_for = settings.max_open_for

    @overload
    async def call(self, fn: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T: ...
    @overload
    async def call(self, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T: ...
    async def call(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a function, record how it went, and return or raise what it does.

        A plain function runs in the event loop. What it returns is awaited if it can be.

        Raises:
            CircuitOpen: it was not called.
            InvalidConfig: `fn` is no function, but for instance a coroutine.
        """
        if not callable(fn):
            raise not_callable(fn)
        permit = self.acquire()
        try:
            result = fn(*args, **kwargs)
            if inspect.isawaitable(result):
                result = await result
        except BaseException as error:
            permit.done(error)
            raise
        permit.done(None)
        return result

    async def __aenter__(self) -> Permit:
        """Acquire a permit; the end of the block gives it back.

        Blocks of one task may nest, and tasks may be in their blocks at once. An async generator, which may be left in
        another task or order than it was entered, had better use `acquire`.
        """
        permit = self.acquire()
        self._entered.setdefault(asyncio.current_task(), []).append(permit)
        return permit

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task = asyncio.current_task()
        if task not in self._entered:  # left in another task: as many permits return as were given all the same
            task = next(iter(self._entered))
        permit = self._entered[task].pop()
        if not self._entered[task]:
            del self._entered[task]
        permit.done(error)

    def acquire(self) -> Permit:
        """A permit for one call, to be given back with `Permit.done`.

        Raises:
            CircuitOpen: not now; `retry_after` is what `wait()` says.
        """
        now = self._clock.monotonic()
        if self._circuit.closed and now >= self._cool_until:  # nearly always so
            return self._circuit.admit(now, self._settle)
        self._circuit.advance(now)
        wait = self._wait(now)
        if wait > 0:
            raise self._refusal(now, wait)
        return self._circuit.admit(now, self._settle)

    @property
    def state(self) -> CircuitState:
        """The state now; an open circuit whose time is over reads half open."""
        self._now()
        return self._circuit.state

    def wait(self) -> float:
        """Seconds until a call would be admitted; 0.0 when it would be now.

        Half open with every permit out, it is the time by which the probes have decided at the latest.
        """
        if self._circuit.closed and self._clock.monotonic() >= self._cool_until:
            return 0.0
        return self._wait(self._now())

    def status(self) -> BreakerStatus:
        now = self._now()
        circuit, tally = self._circuit, self._circuit.tally(now)
        return BreakerStatus(
            self.name, circuit.state, tally.calls, tally.failures, tally.slow, self._wait(now), circuit.out
        )

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Have a plain function called with each `BreakerEvent`; returns what ends that.

        Events are told in the middle of calls: a listener should be quick. If it raises, that is logged.

        Raises:
            InvalidConfig: it is no function, or a coroutine function.
        """
        return self._listeners.add(listener)

    def open(self, seconds: float | None = None) -> None:
        """Open by hand, for exactly so many seconds or else for `open_for`; then it is half open as always.

        Raises:
            InvalidConfig: not a finite number of seconds above 0.
        """
        length = self._open_for if seconds is None else above_zero("seconds", seconds)
        self._circuit.open(self._now(), "opened by hand", length)

    def reset(self) -> None:
        """Close by hand and begin anew: nothing recorded, no cool-down, the first open time.

        Calls that are on their way are not recorded.
        """
        self._now()
        self._cool_until = -inf
        self._circuit.reset("reset by hand")

    def cool_down(self, seconds: float) -> None:
        """Refuse calls for so many seconds, at most a day; neither a failure nor a change of state.

        A shorter cool-down than the one that runs changes nothing.

        Raises:
            InvalidConfig: not a finite number of seconds from 0.
        """
        now = self._now()
        until = now + min(DAY, number("seconds", seconds))
        if until > max(now, self._cool_until):
            self._cool_until = until
            self._tell("cool_down", self._circuit.state, f"asked not to be called for {until - now:g} s")

    def _now(self) -> float:
        """The time, once the circuit knows it."""
        now = self._clock.monotonic()
        self._circuit.advance(now)
        return now

    def _wait(self, now: float) -> float:
        free = max(self._cool_until, self._circuit.free_at())
        if free <= now:
            return 0.0
        wait = free - now
        return wait if now + wait >= free else nextafter(wait, inf)  # whoever sleeps that long must not come too early

    def _settle(self, permit: Permit, error: BaseException | None) -> None:
        if error is None:
            now = self._clock.monotonic() if self._circuit.closed else self._now()
            self._circuit.settle(permit, now, failed=False)
            return
        judged = verdict(error)
        if judged is Verdict.COOL_DOWN:
            self.cool_down(hint_of(error) or 0.0)
        elif judged is Verdict.FAILURE:
            # A failure that names a time is no quota: however long that is, the circuit finds out for itself.
            self.cool_down(min(hint_of(error) or 0.0, self._max_open_for))
        self._circuit.settle(permit, self._now(), failed=True if judged is Verdict.FAILURE else None)

    def _refusal(self, now: float, wait: float) -> CircuitOpen:
        if now + wait <= self._cool_until:
            reason = "it asked not to be called before"
        elif self._circuit.state is CircuitState.OPEN:
            reason = self._circuit.reason
        else:
            reason = "its circuit is half open and every permit is out"
        self._tell("refused", self._circuit.state, reason)
        when = datetime.fromtimestamp(min(ceil(self._clock.time() + wait), _LAST_SECOND), UTC)
        form = "%H:%M:%S UTC" if wait < DAY else "%Y-%m-%d %H:%M:%S UTC"
        return CircuitOpen(f"{self.name} is unavailable until {when:{form}}", hint=reason, retry_after=wait)

    def _changed(self, before: CircuitState) -> None:
        self._tell("state", before, self._circuit.reason)

    def _tell(self, kind: Literal["state", "refused", "cool_down"], before: CircuitState, reason: str) -> None:
        if self._listeners:
            wait = self._wait(self._clock.monotonic())
            event = BreakerEvent(self.name, kind, before, self._circuit.state, wait, reason, timestamp(self._clock))
            self._listeners.tell(event)


def not_callable(fn: object) -> InvalidConfig:
    """Why this cannot be called; a coroutine, which nobody will await, is closed."""
    if inspect.iscoroutine(fn):
        fn.close()
        return InvalidConfig("fn is a coroutine", hint="write call(fetch, url), not call(fetch(url))")
    return InvalidConfig(f"fn is {fn!r}", hint="a function: write call(fetch, url)")


def _named(name: object) -> str:
    if isinstance(name, str) and name:
        return name
    raise InvalidConfig(f"name is {name!r}", hint="a text that says which dependency the breaker watches")
