"""What the model is shown is valid, whatever happened to the session."""

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from emonk.events import (
    Event,
    Interrupted,
    Logged,
    ModelSaid,
    Opaque,
    StepFailed,
    Summarised,
    ToolReturned,
    TurnCancelled,
    TurnFinished,
    UserSaid,
)
from emonk.messages import AssistantMessage, Message, Text, ToolCall, ToolMessage, ToolResult, UserMessage, assistant
from emonk.records import Usage
from emonk.runtime.context import NO_RESULT, messages_of, open_calls, this_turn


def said(text: str = "", *calls: str) -> ModelSaid:
    message = assistant(text, tool_calls=[ToolCall(call, "t") for call in calls])
    return ModelSaid(message=message, model="m", finish_reason="STOP", usage=Usage(), cost_usd=Decimal(0))


def asked(text: str = "hi", message_id: str = "m") -> UserSaid:
    return UserSaid(message_id=message_id, user_id="u", trace_id="t", parts=(Text(text),))


def returned(call: str, content: str = "ok") -> ToolReturned:
    return ToolReturned(result=ToolResult(call, "t", content))


def finished(status: Any = "done", text: str = "") -> TurnFinished:
    return TurnFinished(message_id="m", status=status, steps=1, cost_usd=None, text=text, reason="why")


def log(*events: Event, start: int = 1) -> list[Logged]:
    return [Logged(revision, 0, event) for revision, event in enumerate(events, start)]


def test_results_stand_in_the_order_of_their_calls() -> None:
    messages = messages_of(log(asked(), said("", "a", "b"), returned("b", "2"), returned("a", "1"), said("done")))
    assert [type(message) for message in messages] == [UserMessage, AssistantMessage, ToolMessage, AssistantMessage]
    assert isinstance(messages[2], ToolMessage)
    assert [one.content for one in messages[2].results] == ["1", "2"]


def test_a_call_without_a_result_is_told_so() -> None:
    messages = messages_of(log(asked(), said("", "a", "b"), returned("b"), asked("next")))
    assert isinstance(messages[2], ToolMessage)
    assert [(one.call_id, one.content, one.error) for one in messages[2].results] == [
        ("a", NO_RESULT, "no_result"),
        ("b", "ok", None),
    ]


def test_the_latest_summary_stands_first_and_for_everything_up_to_its_cutoff() -> None:
    events = log(asked("old"), said("old"), asked("kept"), Summarised(text="short", cutoff=2), said("new"))
    assert [message.text for message in messages_of(events) if not isinstance(message, ToolMessage)] == [
        "Summary of the conversation so far:\nshort",
        "kept",
        "new",
    ]


def test_a_turn_that_ended_without_an_answer_says_so_in_the_models_voice() -> None:
    for ending in (finished("failed", "no luck"), Interrupted(text="no luck", code="c", message="m")):
        last = messages_of(log(asked(), ending))[-1]
        assert isinstance(last, AssistantMessage)
        assert last.text.startswith("no luck")
    assert messages_of(log(asked(), TurnCancelled(message_id="m", steps=0, cost_usd=None)))[-1] == assistant(
        "[cancelled by the user]"
    )


def test_open_calls_are_those_of_the_last_step_only() -> None:
    assert [call.id for call in open_calls(log(asked(), said("", "a", "b"), returned("a")))] == ["b"]
    assert open_calls(log(asked(), said("", "a"), returned("a"))) == ()
    assert open_calls(log(asked(), said("", "a"), finished("failed"))) == ()
    assert open_calls([]) == ()


def test_this_turn_begins_with_its_message() -> None:
    events = log(asked("1", "one"), said("x"), finished(), asked("2", "two"), said("y"))
    assert list(this_turn(events, "two")) == [asked("2", "two"), said("y")]


def _said(text: str, calls: list[str]) -> ModelSaid:
    return said(text, *calls)


def _interrupted(text: str) -> Interrupted:
    return Interrupted(text=text, code="c", message="m")


def _summarised(cutoff: int) -> Summarised:
    return Summarised(text="s", cutoff=cutoff)


call_ids = st.sampled_from("abcdef")
any_event = st.one_of(
    st.builds(asked, st.text(min_size=1, max_size=3)),
    st.builds(_said, st.text(max_size=3), st.lists(call_ids, unique=True, max_size=3)),
    st.builds(returned, call_ids),
    st.builds(finished, st.sampled_from(["done", "failed", "limit"])),
    st.just(TurnCancelled(message_id="m", steps=1, cost_usd=None)),
    st.text(max_size=3).map(_interrupted),
    st.just(StepFailed(model="m", code="malformed_output", message="x")),
    st.integers(0, 9).map(_summarised),
    st.just(Opaque("later", {"kind": "later"})),
)


@given(st.lists(any_event, max_size=12))
def test_every_call_is_followed_by_its_result_and_every_result_has_its_call(events: list[Event]) -> None:
    messages = messages_of(log(*events))
    for before, message in zip([None, *messages], [*messages, None], strict=True):
        calls = [call.id for call in before.tool_calls] if isinstance(before, AssistantMessage) else []
        results = [one.call_id for one in message.results] if isinstance(message, ToolMessage) else []
        assert calls == results
    assert all(_has_content(message) for message in messages)


def _has_content(message: Message) -> bool:
    return bool(message.results if isinstance(message, ToolMessage) else message.parts)
