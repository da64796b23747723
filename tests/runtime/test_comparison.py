"""Two runs of a turn are compared by what was said and called, not by ids or order of arguments."""

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from emonk.messages import Text, ToolCall, ToolResult
from emonk.records import ReplyStatus, Usage
from emonk.runtime.comparison import compare
from emonk.runtime.recorded import RecordedCall, RecordedTurn


def run(text: str, *calls: ToolCall, status: ReplyStatus = "done") -> RecordedTurn:
    return RecordedTurn(
        revision=1,
        at=0,
        ended_at=1,
        message_id="m",
        user_id="u",
        parts=(Text("hello"),),
        text=text,
        status=status,
        reason="",
        calls=tuple(RecordedCall(call, ToolResult(call.id, call.name, "")) for call in calls),
        models=("m",),
        steps=1,
        usage=Usage(),
        cost_usd=Decimal(0),
    )


def weather(call_id: str, **arguments: Any) -> ToolCall:
    return ToolCall(call_id, "weather", arguments)


def made_by(recorded: RecordedTurn, new: RecordedTurn) -> list[tuple[str, str]]:
    return [(one.made_by, one.call.call.id) for one in compare(recorded, new).calls]


def test_the_same_words_differently_spaced_are_the_same_answer() -> None:
    assert compare(run("It is\nsunny. "), run("It is sunny.")).same_answer
    assert not compare(run("It is sunny."), run("It rains.")).same_answer
    assert not compare(run("Stopped."), run("Stopped.", status="limit")).same_answer


def test_ids_and_the_order_of_arguments_make_no_other_call() -> None:
    old, new = run("", weather("a", city="Paris", days=2)), run("", weather("b", days=2, city="Paris"))
    assert compare(old, new).same_calls
    assert made_by(old, new) == [("both", "b")]


def test_calls_of_one_run_only_stand_where_they_were_made() -> None:
    old = run("", weather("1", city="Paris"), weather("2", city="Rome"), weather("3", city="Oslo"))
    new = run("", weather("4", city="Paris"), weather("5", city="Bern"), weather("6", city="Oslo"))
    assert made_by(old, new) == [("both", "4"), ("recorded", "2"), ("new", "5"), ("both", "6")]
    assert not compare(old, new).same_calls


def test_malformed_arguments_are_told_apart() -> None:
    old, new = run("", ToolCall("1", "weather", malformed="{a")), run("", ToolCall("2", "weather", malformed="{b"))
    assert made_by(old, new) == [("recorded", "1"), ("new", "2")]


cities = st.lists(st.sampled_from(["Paris", "Rome", "Oslo"]), max_size=8)


@given(cities, cities)
def test_each_call_of_both_runs_is_accounted_for_once_and_in_order(old: list[str], new: list[str]) -> None:
    runs = [
        run("", *(weather(f"{name}{n}", city=city) for n, city in enumerate(cities)))
        for name, cities in (("old", old), ("new", new))
    ]
    calls = compare(*runs).calls
    assert [one.call.call.arguments["city"] for one in calls if one.made_by != "new"] == old
    assert [one.call.call.arguments["city"] for one in calls if one.made_by != "recorded"] == new
    assert compare(runs[0], runs[0]).same_calls
