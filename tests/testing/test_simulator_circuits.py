"""The invariants of breakers, retries and service see what breaks them, and nothing else."""

from collections.abc import Sequence

import pytest

from emonk.messages import user
from emonk.records import Reply
from emonk.resilience.breaker_events import CircuitState
from emonk.testing.simulator import Invariant, Schedule
from emonk.testing.simulator import history as h
from emonk.testing.simulator.circuits import (
    a_failing_model_is_left_alone,
    an_open_circuit_lets_nothing_through,
    half_open_admits_only_its_permits,
    retries_keep_their_budget,
)
from emonk.testing.simulator.history import Blame, History, Record, Where
from emonk.testing.simulator.service import a_hint_is_waited_for, no_turn_goes_without_a_model_that_is_well

OPEN, HALF_OPEN, CLOSED = CircuitState.OPEN, CircuitState.HALF_OPEN, CircuitState.CLOSED
MODELS = ("lead", "fallback")


def at(seconds: float, turn: str = "m") -> Where:
    return Where(seconds, "s", turn)


def state(seconds: float, to: CircuitState, wait: float = 0.0) -> h.Circuit:
    return h.Circuit(at(seconds, ""), model="lead", kind="state", state=to, wait=wait, reason="")


def pause(seconds: float, wait: float) -> h.Circuit:
    return h.Circuit(at(seconds), model="lead", kind="cool_down", state=CLOSED, wait=wait, reason="")


def sent(seconds: float, number: int = 1, turn: str = "m", model: str = "lead") -> h.Sent:
    return h.Sent(at(seconds, turn), number=number, model=model, messages=(user("hi"),), fault="")


def failed(
    seconds: float, number: int = 1, turn: str = "m", *, hint: float | None = None, blame: Blame = "provider"
) -> h.Came:
    return h.Came(at(seconds, turn), number=number, model="lead", error="Unavailable", hint=hint, blame=blame)


def called(seconds: float, number: int, *, fails: bool, turn: str = "") -> list[Record]:
    turn = turn or f"m{number}"
    came = h.Came(at(seconds, turn), number=number, model="lead", outcome="complete")
    return [sent(seconds, number, turn), failed(seconds, number, turn) if fails else came]


def calls(outcomes: str, every: float = 1.0) -> list[Record]:
    """One call after the other; an `x` fails."""
    return [one for number, each in enumerate(outcomes) for one in called(number * every, number, fails=each == "x")]


def broken(invariant: Invariant, records: Sequence[Record]) -> bool:
    said = Schedule(seed=0, events=())
    return bool(list(invariant(History(schedule=said, limit=300.0, records=list(records), models=MODELS))))


PROBES = [sent(40, number) for number in (1, 2, 3)]


@pytest.mark.parametrize(
    ("records", "is_broken"),
    [
        ([state(40, HALF_OPEN), *PROBES], False),
        ([state(40, HALF_OPEN), *PROBES, sent(41, 4)], True),
        ([state(40, HALF_OPEN), *PROBES, failed(41, 2), sent(42, 4)], True),
        ([state(40, HALF_OPEN), *PROBES, failed(41, 2, blame=""), sent(42, 4)], False),
        ([state(40, HALF_OPEN), *PROBES, state(41, CLOSED), sent(42, 4)], False),
    ],
)
def test_more_probes_than_permits_are_seen(records: list[Record], is_broken: bool) -> None:
    assert broken(half_open_admits_only_its_permits, records) is is_broken


@pytest.mark.parametrize(
    ("records", "is_broken"),
    [
        ([state(10, OPEN, 30), sent(10.5)], False),
        ([state(10, OPEN, 30), sent(12)], True),
        ([state(10, OPEN, 30), sent(40)], False),
        ([state(10, OPEN, 30), state(11, CLOSED), sent(12)], False),
    ],
)
def test_what_passes_an_open_circuit_is_seen(records: list[Record], is_broken: bool) -> None:
    assert broken(an_open_circuit_lets_nothing_through, records) is is_broken


@pytest.mark.parametrize(
    ("records", "is_broken"),
    [
        ([*calls("xxxxxxxxxx"), sent(20, 99)], True),
        ([*calls("x.x.x.x.x.x"), sent(20, 99)], True),
        ([*calls("xxxxxxxxx"), sent(20, 99)], False),
        ([*calls("x..x..x..x..x"), sent(20, 99)], False),
        ([*calls("xxxxxxxxxx", every=7), sent(90, 99)], False),
        ([*calls("xxxxxxxxxx"), state(9.1, OPEN, 30), sent(40, 99)], False),
    ],
)
def test_a_model_that_fails_and_is_asked_again_is_seen(records: list[Record], is_broken: bool) -> None:
    assert broken(a_failing_model_is_left_alone, records) is is_broken


def retried(times: int, every: float) -> list[Record]:
    return [one for number in range(times) for one in called(number * every, number, fails=True, turn="m")]


def test_more_retries_than_the_budget_allows_are_seen() -> None:
    assert broken(retries_keep_their_budget, retried(20, every=1))
    assert not broken(retries_keep_their_budget, retried(12, every=1))
    assert not broken(retries_keep_their_budget, retried(40, every=61))
    assert not broken(retries_keep_their_budget, calls("x" * 100))


GRANTED = h.Granted(at(0), fence=1, resumed=False)
LOST = h.Came(Where(4, "s", "m", 1), number=9, model="lead", outcome="complete")
ASKED: list[Record] = [sent(1), failed(2), sent(3, 2, model="fallback")]


def degraded(seconds: float) -> h.Answered:
    reply = Reply(text="no model", status="failed", session_id="s", message_id="m", trace_id="", degraded=True)
    return h.Answered(at(seconds), reply=reply)


@pytest.mark.parametrize(
    ("records", "is_broken"),
    [
        ([GRANTED, *ASKED, degraded(5)], False),
        ([GRANTED, *ASKED[:2], degraded(5)], True),
        ([GRANTED, *ASKED[2:], degraded(5)], True),
        ([state(-10, OPEN, 30), GRANTED, *ASKED[2:], degraded(5)], False),
        ([state(-40, OPEN, 30), GRANTED, *ASKED[2:], degraded(5)], True),
        ([state(-100, OPEN, 10_000), GRANTED, *ASKED[2:], degraded(5)], True),
        ([state(-40, OPEN, 30), state(-10, HALF_OPEN), sent(-9, 7, "n"), GRANTED, *ASKED[2:], degraded(5)], False),
        ([pause(-1, 60), GRANTED, *ASKED[2:], degraded(5)], False),
        ([pause(-90, 60), GRANTED, *ASKED[2:], degraded(5)], True),
        ([GRANTED, *ASKED[2:], degraded(299.5)], False),
        ([GRANTED, *ASKED, LOST, degraded(5)], False),
    ],
)
def test_a_turn_that_goes_without_a_model_that_is_well_is_seen(records: list[Record], is_broken: bool) -> None:
    assert broken(no_turn_goes_without_a_model_that_is_well, records) is is_broken


@pytest.mark.parametrize(
    ("records", "is_broken"),
    [
        ([GRANTED, sent(1), failed(2, hint=7), pause(2, 7), degraded(3)], True),
        ([GRANTED, sent(1), failed(2, hint=7), pause(2, 7), sent(9, 2), failed(10, 2), degraded(11)], False),
        ([GRANTED, sent(1), failed(2, hint=90), pause(2, 90), degraded(3)], False),
        ([GRANTED, sent(1), failed(2, hint=7), pause(2, 7), pause(3, 30), degraded(4)], False),
        ([GRANTED, sent(1), failed(2, hint=7), pause(2, 7), state(3, OPEN, 30), degraded(4)], False),
    ],
)
def test_a_hint_that_is_not_waited_for_is_seen(records: list[Record], is_broken: bool) -> None:
    assert broken(a_hint_is_waited_for, records) is is_broken
