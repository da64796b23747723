"""Any order of calls, ends, hands and time gives what a plainer breaker gives."""

import asyncio
from typing import NamedTuple

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from emonk.errors import CircuitOpen, InvalidArguments, RateLimited, Unavailable
from emonk.resilience.breaker import CircuitBreaker
from emonk.resilience.breaker_events import BreakerEvent
from emonk.resilience.circuit import Permit
from emonk.testing.clock import ManualClock
from tests.resilience.breaker_reference import Numbers, Reference, Ticket

ENDS: dict[str, BaseException | None] = {
    "success": None,
    "failure": Unavailable("503"),
    "ignored": InvalidArguments("no such city"),
    "cancelled": asyncio.CancelledError(),
    "hint": RateLimited("429", retry_after=5.0),
}
NUMBERS = st.builds(
    Numbers,
    failure_rate=st.sampled_from([0.3, 0.5, 1.0]),
    slow_rate=st.sampled_from([0.8, 0.5]),
    slow_after=st.sampled_from([3.0, float("inf")]),
    min_calls=st.integers(1, 5),
    max_open_for=st.sampled_from([8.0, 20.0, 100.0]),
    half_open_permits=st.integers(1, 4),
    half_open_timeout=st.sampled_from([2.0, 6.0]),
    window=st.just(60.0),
    open_for=st.just(4.0),
    jitter=st.just(0.5),
)
# Calls mostly end badly, else it would hardly ever open.
END = st.sampled_from(["failure", "failure", "failure", "success", "success", "ignored", "cancelled", "hint"])
PASSED = st.sampled_from([0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 59.0, 60.0, 500.0])


class Call(NamedTuple):
    """One that is on its way, in both."""

    permit: Permit
    ticket: Ticket


class BreakerMachine(RuleBasedStateMachine):
    """Two breakers, one clock, and every call that has not ended (and some that have)."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.clock = ManualClock()
        self.calls: list[Call] = []

    @initialize(numbers=NUMBERS)
    def build(self, numbers: Numbers) -> None:
        chances = [0.0, 0.25, 0.5, 0.75]
        self.reference = Reference(numbers, self.clock.monotonic(), chances)
        turn = iter(chances * 10_000)
        self.breaker = CircuitBreaker("x", **numbers._asdict(), clock=self.clock, random=lambda: next(turn))
        self.states: list[str] = []
        self.breaker.subscribe(self.hear)

    def hear(self, event: BreakerEvent) -> None:
        if event.kind == "state":
            self.states.append(event.state.value)

    @rule(count=st.integers(1, 12))
    def begin(self, count: int) -> None:
        for _ in range(count):
            ticket = self.reference.begin()
            if ticket is None:
                wait = self.breaker.wait()
                with pytest.raises(CircuitOpen) as raised:
                    self.breaker.acquire()
                assert raised.value.retry_after == wait > 0
            else:
                permit = self.breaker.acquire()
                assert permit.probe == ticket.probe
                self.calls.append(Call(permit, ticket))

    @rule(which=st.integers(0, 1000), end=END, forget=st.booleans())
    def end(self, which: int, end: str, forget: bool) -> None:
        """Some call ends; it is kept at times, to end a second time."""
        if not self.calls:
            return
        call = self.calls[which % len(self.calls)]
        if forget:
            self.calls.remove(call)
        self.finish(call, end)

    @rule(end=END)
    def all_end(self, end: str) -> None:
        calls, self.calls = self.calls, []
        for call in calls:
            self.finish(call, end)

    def finish(self, call: Call, end: str) -> None:
        call.permit.done(ENDS[end])
        self.reference.end(call.ticket, end)

    @rule(ends=st.lists(END, min_size=1, max_size=6))
    def whole_calls(self, ends: list[str]) -> None:
        for end in ends:
            self.begin(1)
            if self.calls:
                self.finish(self.calls.pop(), end)

    @rule(seconds=PASSED)
    def rest(self, seconds: float) -> None:
        self.runner.run(self.clock.advance(seconds))
        self.reference.now += seconds

    @rule()
    def rest_as_long_as_it_says(self) -> None:
        self.rest(self.breaker.wait())

    @rule(seconds=st.sampled_from([1.0, 7.0, None]))
    def open(self, seconds: float | None) -> None:
        self.breaker.open(seconds)
        self.reference.open(4.0 if seconds is None else seconds)

    @rule()
    def reset(self) -> None:
        self.breaker.reset()
        self.reference.reset()

    @rule(seconds=st.sampled_from([0.0, 3.0, 30.0]))
    def cool_down(self, seconds: float) -> None:
        self.breaker.cool_down(seconds)
        self.reference.cool_down(seconds)

    @invariant()
    def alike(self) -> None:
        if not hasattr(self, "breaker"):
            return
        status = self.breaker.status()
        assert (status.state.value, status.calls, status.failures, status.slow) == self.reference.view()
        assert status.wait == pytest.approx(self.reference.wait(), abs=1e-6)
        assert status == self.breaker.status()
        assert self.breaker.state is status.state
        assert self.states == self.reference.states

    def teardown(self) -> None:
        self.runner.close()


BreakerMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=50, deadline=None)
TestBreakerAgainstReference = BreakerMachine.TestCase
