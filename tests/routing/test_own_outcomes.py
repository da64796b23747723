"""Outcomes from the logs of sessions."""

from typing import Any

import pytest

from emonk.events import Event, Routed, StepFailed, TurnCancelled, TurnFinished, UserSaid
from emonk.messages import Text
from emonk.routing.outcomes import Outcome
from emonk.routing.own_outcomes import OwnOutcomes

WORKER = Routed(role="worker", model="m", reason="", complexity="simple")
PLAN = Routed(role="lead", model="m", reason="", complexity="complex", phase="planning")
TAKEN = Routed(role="lead", model="m", reason="", complexity="simple", phase="escalated")
BAD = StepFailed(model="m", code="malformed_output", message="no JSON")
FAILED = (WORKER, BAD, BAD, TAKEN)
ASKED = Routed(role="lead", model="m", reason="", phase="asked")
STANDS_IN = Routed(role="fallback", model="m", reason="")


def said(text: str = "what?", **more: Any) -> UserSaid:
    return UserSaid(message_id="m", user_id="u", trace_id="t", parts=(Text(text),), **more)


def end(status: Any = "done", reason: str = "") -> TurnFinished:
    return TurnFinished(message_id="m", status=status, steps=1, cost_usd=None, reason=reason)


def found_in(*events: Event) -> OwnOutcomes:
    found = OwnOutcomes()
    found.add(events)
    return found


@pytest.mark.parametrize(
    ("events", "outcome"),
    [
        ((WORKER, end()), Outcome("what?", True)),
        ((WORKER, end("limit", "steps")), Outcome("what?", False)),
        ((*FAILED, end()), Outcome("what?", False, True)),
        ((*FAILED, WORKER, end()), Outcome("what?", False, True)),
        ((*FAILED, end("limit", "steps")), Outcome("what?", False, False)),
        ((WORKER, end("waiting_approval"), BAD, BAD, TAKEN, end()), Outcome("what?", False, True)),
        ((PLAN, WORKER, BAD, BAD, TAKEN, end()), Outcome("what?", False, True)),
        # What the lead would have done is not known where the turn ended for a reason that is no model's.
        ((*FAILED, end("failed", "unavailable")), Outcome("what?", False)),
        ((*FAILED, end("limit", "user_day_usd")), Outcome("what?", False)),
        # Nor is the worker's part where the lead made the plan, money or time ran out, or an answer came too late.
        ((PLAN, WORKER, end()), None),
        ((PLAN, WORKER, end("limit", "steps")), None),
        ((WORKER, end("limit", "usd")), None),
        ((WORKER, end("limit", "user_day_usd")), None),
        ((WORKER, end("limit", "seconds")), None),
        ((WORKER, end("limit", "max_output_tokens")), None),
        ((WORKER, TAKEN, end()), None),
        ((WORKER, end("degraded")), None),
        ((WORKER, end("failed")), None),
        ((WORKER, STANDS_IN, end()), None),
        ((PLAN, end()), None),
        ((ASKED, end()), None),
        ((WORKER, ASKED, end()), None),
        ((end(),), None),
        ((WORKER, TurnCancelled(message_id="m", steps=0, cost_usd=None)), None),
    ],
)
def test_a_turn_tells_how_the_worker_did(events: tuple[Event, ...], outcome: Outcome | None) -> None:
    found = found_in(said(), *events)
    assert found.rows == ([] if outcome is None else [outcome])
    assert found.left_out == (outcome is None)


def test_turns_of_a_session_are_told_apart_and_an_open_one_waits() -> None:
    found = found_in(said("one"), WORKER, end(), said("two"), *FAILED, end(), said("three"), WORKER)
    assert [row.prompt for row in found.rows] == ["one", "two"]
    assert found.left_out == 0


def test_what_has_no_text_or_was_meant_for_the_lead_is_left_out() -> None:
    assert found_in(said(" "), WORKER, end()).left_out == 1
    assert found_in(said(lead=True), WORKER, end()).left_out == 1
