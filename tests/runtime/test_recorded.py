"""Turns are told from a log."""

from decimal import Decimal

from emonk.events import Event, Interrupted, Logged, ModelSaid, ToolReturned, TurnCancelled, TurnFinished, UserSaid
from emonk.messages import Text, ToolCall, ToolResult, assistant
from emonk.records import Usage
from emonk.runtime.recorded import RecordedTurn, recorded_turns

CALL = ToolCall("c1", "weather", {"city": "Paris"})


def said(message_id: str) -> UserSaid:
    return UserSaid(message_id=message_id, user_id="ann", trace_id="t", parts=(Text("hello"),))


def answered(text: str, *calls: ToolCall, model: str = "g") -> ModelSaid:
    message = assistant(text, tool_calls=calls)
    return ModelSaid(message=message, model=model, finish_reason="STOP", usage=Usage(10, 5), cost_usd=Decimal("0.5"))


def turns(*events: Event) -> list[RecordedTurn]:
    return recorded_turns([Logged(n, n * 10, event) for n, event in enumerate(events, start=1)])


def test_a_finished_turn_has_its_answer_its_calls_and_what_they_cost() -> None:
    (turn,) = turns(
        said("m1"),
        answered("", CALL, model="worker"),
        ToolReturned(result=ToolResult("c1", "weather", "sunny")),
        answered("Sunny."),
        TurnFinished(message_id="m1", status="done", steps=2, cost_usd=Decimal(1)),
    )
    assert (turn.text, turn.status, turn.models, turn.steps) == ("Sunny.", "done", ("worker", "g"), 2)
    assert (turn.usage, turn.cost_usd) == (Usage(20, 10), Decimal(1))
    assert [(one.call, one.result and one.result.content) for one in turn.calls] == [(CALL, "sunny")]
    assert (turn.revision, turn.at, turn.ended_at) == (1, 10, 50)


def test_the_reply_is_what_the_user_read_whoever_wrote_it() -> None:
    ends = TurnFinished(message_id="m1", status="failed", steps=1, cost_usd=None, reason="r", text="No model.")
    assert turns(said("m1"), answered("x"), ends)[0].text == "No model."
    broken = Interrupted(text="It is", code="c", message="m")
    assert turns(said("m1"), broken, TurnFinished(message_id="m1", status="failed", steps=1, cost_usd=None))[
        0
    ].text == ("It is")
    cancelled = turns(said("m1"), TurnCancelled(message_id="m1", steps=0, cost_usd=Decimal(0)))[0]
    assert (cancelled.text, cancelled.status) == ("Cancelled.", "cancelled")


def test_a_turn_without_an_end_is_unfinished() -> None:
    first, second = turns(said("m1"), answered("half", CALL), said("m2"))
    assert (first.status, first.text, first.ended_at, first.cost_usd) == ("unfinished", "", None, Decimal("0.5"))
    assert first.calls[0].result is None
    assert (second.status, second.steps) == ("unfinished", 0)


def test_what_stands_before_the_first_message_belongs_to_no_turn() -> None:
    assert [turn.message_id for turn in turns(answered("a"), said("m1"))] == ["m1"]


def test_ids_that_a_model_repeats_get_the_result_of_their_own_step() -> None:
    other = ToolCall("c1", "weather", {"city": "Rome"})
    (turn,) = turns(
        said("m1"),
        answered("", CALL),
        ToolReturned(result=ToolResult("c1", "weather", "sunny")),
        answered("", other),
        ToolReturned(result=ToolResult("c1", "weather", "rain")),
    )
    assert [one.result.content for one in turn.calls if one.result] == ["sunny", "rain"]
