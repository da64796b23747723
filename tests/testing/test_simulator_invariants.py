"""Each invariant sees what breaks it."""

from collections.abc import Sequence
from decimal import Decimal

import pytest

from emonk.events import Event, Logged, ModelSaid, Opaque, ToolReturned, TurnFinished, UserSaid
from emonk.messages import Message, Text, ToolCall, ToolMessage, ToolResult, assistant, tool_result, user
from emonk.records import Reply, SessionKey, Usage
from emonk.testing.simulator import Invariant, Schedule
from emonk.testing.simulator import history as h
from emonk.testing.simulator.acts import no_unknown_outcome_is_retried
from emonk.testing.simulator.history import Ended, History, Kept, Record, Where
from emonk.testing.simulator.invariants import INVARIANTS, first_broken
from emonk.testing.simulator.requests import no_retry_before_the_hint, problem_of
from emonk.testing.simulator.sessions import (
    nothing_acknowledged_is_lost,
    repetitions_get_the_same_reply,
    sessions_keep_their_order,
    the_log_is_well_formed,
)

ONE, TWO = ToolCall("1", "look"), ToolCall("2", "look")
ASKED = user("hi")
REPLY = Reply(text="ok", status="done", session_id="s", message_id="m", trace_id="")


def results(*calls: ToolCall) -> ToolMessage:
    return ToolMessage(tuple(ToolResult(call.id, call.name, "ok") for call in calls))


@pytest.mark.parametrize(
    "messages",
    [
        [ASKED],
        [ASKED, assistant("", tool_calls=[ONE, TWO]), results(ONE, TWO)],
        [ASKED, assistant("hello"), user("again"), user("and again")],
    ],
)
def test_what_a_provider_takes_passes(messages: list[Message]) -> None:
    assert problem_of(messages) == ""


@pytest.mark.parametrize(
    ("messages", "problem"),
    [
        ([], "the first message"),
        ([assistant("hi"), ASKED], "the first message"),
        ([ASKED, assistant("hi")], "the last message"),
        ([ASKED, tool_result(ONE, "ok")], "results follow no calls"),
        ([ASKED, assistant("", tool_calls=[ONE]), ASKED], "calls are not followed"),
        ([ASKED, assistant("", tool_calls=[ONE, TWO]), results(ONE)], "the results are not those"),
        ([ASKED, assistant("", tool_calls=[ONE, TWO]), results(TWO, ONE)], "the results are not those"),
        ([ASKED, assistant("", tool_calls=[ONE, ONE]), results(ONE, ONE)], "two calls have one id"),
        ([ASKED, assistant(""), ASKED], "a message of the model is empty"),
        ([ASKED, assistant("so"), assistant("", tool_calls=[ONE]), results(ONE)], "calls follow another message"),
        ([user("")], "a message of the user is empty"),
    ],
)
def test_what_no_provider_takes_is_seen(messages: list[Message], problem: str) -> None:
    assert problem_of(messages).startswith(problem)


def run(*records: Record, log: Sequence[Event] = (), kept: Sequence[str] = (), reply: Reply | None = REPLY) -> History:
    logged = [Logged(revision, 0, event) for revision, event in enumerate(log, 1)]
    ended = Ended(
        kept=[Kept("s", name, reply) for name in kept],
        logs={SessionKey("a", "s"): logged},
        leases=[],
        leftovers=[],
        settled=True,
    )
    return History(schedule=Schedule(seed=0, events=()), limit=300.0, records=list(records), ended=ended)


def said(name: str) -> UserSaid:
    return UserSaid(message_id=name, user_id="u", trace_id="t", parts=(Text("hi"),))


def calling(*calls: ToolCall) -> ModelSaid:
    message = assistant("" if calls else "ok", tool_calls=calls)
    return ModelSaid(message=message, model="m", finish_reason="STOP", usage=Usage(), cost_usd=None)


def returned(call: ToolCall) -> ToolReturned:
    return ToolReturned(result=ToolResult(call.id, call.name, "ok"))


def done(name: str) -> TurnFinished:
    return TurnFinished(message_id=name, status="done", steps=1, cost_usd=Decimal(0))


WHOLE = [said("m"), calling(ONE), returned(ONE), calling(), done("m"), Opaque("later", {}), said("n"), done("n")]


@pytest.mark.parametrize(
    ("log", "problem"),
    [
        (WHOLE, ""),
        ([calling()], "ModelSaid outside a turn at revision 1"),
        ([said("m")], "the last turn is not closed"),
        ([said("m"), said("n")], "a turn begins within another at revision 2"),
        ([said("m"), done("n")], "the turn of n ends, and m is open"),
        ([said("m"), calling(ONE), calling()], "calls without a result (1)"),
        ([said("m"), calling(ONE), done("m")], "calls without a result (1)"),
        ([said("m"), calling(ONE), returned(TWO)], "a result of 2, which is no open call,"),
        ([said("m"), calling(ONE), returned(ONE), returned(ONE)], "a result of 1, which is no open call,"),
    ],
)
def test_a_log_that_is_not_well_formed_is_seen(log: list[Event], problem: str) -> None:
    told = " ".join(the_log_is_well_formed(run(log=log)))
    assert told.startswith(problem)
    assert bool(told) == bool(problem)


def test_a_gap_in_the_log_is_seen() -> None:
    history = run(log=[said("m"), done("m")])
    assert history.ended is not None
    history.ended.logs[SessionKey("a", "s")] = [Logged(2, 0, said("m"))]
    assert next(iter(the_log_is_well_formed(history))).startswith("revisions have a gap")


def at(seconds: float, instance: int = 0) -> Where:
    return Where(seconds, "s", "m", instance)


def sent(seconds: float, instance: int = 0, number: int = 1) -> h.Sent:
    return h.Sent(at(seconds, instance), number=number, model="m", messages=(ASKED,), fault="")


def limited(seconds: float, hint: float) -> h.Came:
    return h.Came(at(seconds), number=1, model="m", error="RateLimited", hint=hint)


GRANTED = h.Granted(at(4.0, 1), fence=2, resumed=True)
TAKEN = h.Granted(at(0), fence=1, resumed=True)


@pytest.mark.parametrize(
    ("records", "broken"),
    [
        ([sent(0), limited(1, 5), sent(6, number=2)], False),
        ([sent(0), limited(1, 5), sent(5.9, number=2)], True),
        ([sent(0), limited(1, 5), GRANTED, sent(4.5, 1, 2)], False),
        ([TAKEN, sent(0), limited(1, 5), sent(4.5, number=2)], True),
        ([TAKEN, TAKEN, sent(0), limited(1, 5), sent(4.5, number=2)], False),
    ],
)
def test_a_retry_before_the_hint_is_seen_unless_another_took_over(records: list[Record], broken: bool) -> None:
    assert bool(list(no_retry_before_the_hint(run(*records)))) == broken


def test_a_run_after_an_unknown_outcome_is_seen() -> None:
    lost = [began("1"), ACTED, h.ToolLeft(at(2), call_id="1", tool="book", error="OutcomeUnknown", unknown=True)]
    assert broken_by(*lost, began("2"))
    assert broken_by(*lost, GRANTED, began("2", at(5, 1)))
    assert not broken_by(*lost, began("2", arguments='{"seats":2}'))
    assert not broken_by(*lost, began("2", Where(5, "s", "n")))
    assert not broken_by(*[one for one in lost if one is not ACTED], began("2"))
    assert not broken_by(began("1"), ACTED, h.ToolLeft(at(2), call_id="1", tool="book"), began("2"))


def test_a_run_after_an_outcome_that_was_lost_with_its_instance_is_seen() -> None:
    lost = calling(BOOK), ToolReturned(result=ToolResult("1", "book", "?", "outcome_unknown"))
    assert broken_by(began("1"), ACTED, GRANTED, began("2", at(5, 1)), log=lost)
    assert not broken_by(began("1"), ACTED, began("2", at(5, 1)), log=lost)
    assert not broken_by(began("1"), ACTED, GRANTED, began("2", at(5, 1)), log=[calling(BOOK), returned(BOOK)])


def began(call_id: str, where: Where | None = None, arguments: str = '{"seats":1}') -> h.ToolBegan:
    return h.ToolBegan(
        where or at(1), call_id=call_id, tool="book", arguments=arguments, idempotent=False, risk="low", fault=""
    )


BOOK = ToolCall("1", "book")
ACTED = h.ToolActed(at(1.5), call_id="1", tool="book", idempotent=False)


def broken_by(*records: Record, log: Sequence[Event] = ()) -> bool:
    return bool(list(no_unknown_outcome_is_retried(run(*records, log=log))))


ANSWERED = h.Answered(at(1), reply=REPLY)
OTHER = Reply(text="other", status="done", session_id="s", message_id="m", trace_id="")


@pytest.mark.parametrize(
    ("invariant", "history"),
    [
        (nothing_acknowledged_is_lost, run(ANSWERED)),
        (nothing_acknowledged_is_lost, run(ANSWERED, kept=["m"])),
        (nothing_acknowledged_is_lost, run(h.Enqueued(at(1), accepted=True), kept=["n"])),
        (repetitions_get_the_same_reply, run(ANSWERED, h.Answered(at(2), reply=OTHER), kept=["m"])),
        (repetitions_get_the_same_reply, run(ANSWERED, kept=["m"], reply=None)),
        (sessions_keep_their_order, run(log=WHOLE, kept=["n", "m"])),
    ],
)
def test_what_is_lost_or_out_of_order_is_seen(invariant: Invariant, history: History) -> None:
    assert list(invariant(history))


def test_a_run_that_cannot_go_on_is_told() -> None:
    stuck = History(schedule=Schedule(seed=0, events=()), limit=300.0, records=[], stuck="nothing is left")
    broken = first_broken(stuck)
    assert broken is not None
    assert (broken.invariant, broken.evidence) == ("nothing hangs", ("nothing is left",))


def test_a_quiet_run_breaks_nothing() -> None:
    quiet = run(h.Said(at(0)), ANSWERED, log=[said("m"), calling(), done("m")], kept=["m"])
    assert [invariant for invariant in INVARIANTS if list(invariant(quiet))] == []
