"""A session as a reader sees it."""

import io
from collections.abc import Iterable
from decimal import Decimal

import pytest

from emonk.cli.conversation import Conversation
from emonk.events import (
    Event,
    Interrupted,
    Logged,
    ModelSaid,
    Opaque,
    Routed,
    StepFailed,
    Summarised,
    ToolReturned,
    TurnCancelled,
    TurnFinished,
    UserSaid,
)
from emonk.messages import Blob, Foreign, Text, Thinking, ToolCall, ToolResult, assistant
from emonk.records import Session, Usage

SECOND = 1_000_000
START = 1_764_000_000 * SECOND
ATTACK = "\x1b]0;owned\x07\x1b[2J\u202eevil"


class Screen(io.StringIO):
    """A terminal that has colours."""

    def isatty(self) -> bool:
        return True


def said(text: str, message_id: str = "m1") -> UserSaid:
    return UserSaid(message_id=message_id, user_id="ann", trace_id="t", parts=(Text(text),))


def answered(text: str, *calls: ToolCall, cost: str | None = "0.0015") -> ModelSaid:
    return ModelSaid(
        message=assistant(text, tool_calls=calls),
        model="gemini:g",
        finish_reason="STOP",
        usage=Usage(input_tokens=1200, output_tokens=30, cached_input_tokens=1000, reasoning_tokens=10),
        cost_usd=None if cost is None else Decimal(cost),
    )


def finished(message_id: str = "m1", **fields: object) -> TurnFinished:
    values = {"message_id": message_id, "status": "done", "steps": 1, "cost_usd": Decimal("0.0015"), **fields}
    return TurnFinished(**values)  # pyright: ignore[reportArgumentType]


def log(*events: Event) -> list[Logged]:
    return [Logged(n, START + n * SECOND, event) for n, event in enumerate(events, start=1)]


def shown(events: Iterable[Logged], *, full: bool = False, stream: io.StringIO | None = None) -> str:
    conversation = Conversation(list(events), stream or io.StringIO(), full=full)
    return "\n".join([*conversation.lines(), *conversation.foot()])


def test_a_turn_shows_what_it_called_and_what_it_cost() -> None:
    call = ToolCall("c1", "weather", {"city": "Paris"})
    result = ToolReturned(result=ToolResult("c1", "weather", "sunny"), seconds=0.2)
    text = shown(log(said("Paris?"), answered("", call), result, answered("Sunny."), finished(steps=2)))
    assert [line for line in text.splitlines() if line] == [
        text.splitlines()[1],
        "Paris?",
        "gemini:g after 1.0 s, 1,200 (1,000 cached) tokens in, 30 (10 thinking) out, 0.0015 USD",
        '\u2192 weather(city="Paris")',
        "\u2713 weather in 0.2 s",
        "  sunny",
        "gemini:g after 3.0 s, 1,200 (1,000 cached) tokens in, 30 (10 thinking) out, 0.0015 USD",
        "Sunny.",
        "[done; 2 steps, 2,400 (2,000 cached) tokens in, 60 (20 thinking) out, 0.0015 USD, 4.0 s]",
    ]
    assert text.splitlines()[1].startswith("ann 2025-11-24 ")
    assert text.splitlines()[1].endswith(", revision 1")


def test_several_turns_are_summed_and_an_unknown_price_makes_the_sum_unknown() -> None:
    first = (said("a"), answered("b"), finished())
    text = shown(log(*first, said("c", "m2"), answered("d"), finished("m2")))
    assert text.splitlines()[-1] == "2 turns: 2,400 (2,000 cached) tokens in, 60 (20 thinking) out, 0.003 USD"
    text = shown(log(*first, said("c", "m2"), answered("d", cost=None), finished("m2", cost_usd=None)))
    assert text.splitlines()[-1].endswith("out, cost unknown")


def test_a_long_result_is_shortened_unless_all_is_asked_for() -> None:
    events = log(said("x"), ToolReturned(result=ToolResult("c", "read", "line\n" * 50)), finished())
    assert shown(events).count("  line") == 8
    assert "\u2026 210 more characters: --full shows them" in shown(events)
    assert shown(events, full=True).count("  line") == 50
    one_line = log(said("x"), ToolReturned(result=ToolResult("c", "read", "y" * 5_000_000)), finished())
    assert len(shown(one_line)) < 2000


def test_a_short_error_is_told_once() -> None:
    failed = ToolReturned(result=ToolResult("c", "read", "no such file", "tool_failed"))
    assert shown(log(said("x"), failed, finished())).count("no such file") == 1
    long = ToolReturned(result=ToolResult("c", "read", "no such file\nat all", "tool_failed"))
    assert "  at all" in shown(log(said("x"), long, finished()))


def test_the_cut_is_shown_where_it_is_and_the_summary_where_it_was_written() -> None:
    summary = Summarised(text="They spoke of Paris.", cutoff=3)
    text = shown(log(said("a"), answered("b"), finished(), said("c", "m2"), summary, answered("d"), finished("m2")))
    cut = text.index("cut-off: for the model the summary of revision 5 stands for all up to here")
    assert (
        text.index("[done;")
        < cut
        < text.index("\nc\n")
        < text.index("──── summary, revision 5, of all up to revision 3 ────")
    )
    assert "  They spoke of Paris." in text
    assert "cut-off" not in shown(log(said("a"), Summarised(text="", cutoff=1)))


def test_of_several_summaries_each_says_what_it_is_and_only_the_last_cuts() -> None:
    first = Summarised(text="Of a.", cutoff=2, before=1512, after=1103, reason="no_model")
    last = Summarised(text="Of a and c.", cutoff=5, before=2000, after=900)
    text = shown(log(said("a"), finished(), said("c", "m2"), first, finished("m2"), said("e", "m3"), last))
    assert "──── summary, revision 4, of all up to revision 2 (1,512 to 1,103 tokens; no_model) ────" in text
    assert "──── summary, revision 7, of all up to revision 5 (2,000 to 900 tokens) ────" in text
    assert text.count("cut-off:") == 1
    assert "cut-off: for the model the summary of revision 7 stands for all up to here" in text


def test_whatever_ended_a_turn_is_told() -> None:
    broken = Interrupted(text="It is", code="unavailable", message="reset")
    assert "It is\n[broken off: unavailable: reset]" in shown(log(said("a"), broken))
    failed = StepFailed(model="gemini:g", code="rate_limited", message="slow down", usage=Usage(5, 0))
    assert "[gemini:g failed: rate_limited: slow down; 5 tokens in, 0 out, 0 USD]" in shown(log(said("a"), failed))
    assert "[failed: unavailable; 1 step, " in shown(log(said("a"), finished(status="failed", reason="unavailable")))
    cancelled = TurnCancelled(message_id="m1", steps=0, cost_usd=Decimal(0))
    assert "[cancelled; 0 steps, 0 tokens in, 0 out, 0 USD, 1.0 s]" in shown(log(said("a"), cancelled))
    assert "\nemonk\nNo model." in shown(log(said("a"), finished(text="No model.")))


def test_a_part_of_a_log_says_of_a_turn_only_what_it_knows() -> None:
    assert shown(log(answered("b"), finished())).splitlines()[-1] == "[done]"


def test_an_unknown_event_is_named_and_with_everything_shown_whole() -> None:
    events = log(Opaque("novelty", {"kind": "novelty", "depth": 2}))
    assert "[revision 1: an event of kind novelty, which this version does not know]" in shown(events)
    assert '"depth":2' not in shown(events)
    assert '"depth":2' in shown(events, full=True)


def test_with_everything_arguments_thoughts_and_foreign_parts_are_there() -> None:
    call = ToolCall("c1", "post", {"text": "long " * 100})
    malformed = ToolCall("c2", "post", malformed="{broken")
    parts = (Thinking("hm"), Text("so"), Blob("image/png", b"123"), Foreign("google", {"a": 1}), call, malformed)
    event = ModelSaid(message=assistant(parts), model="g", finish_reason="", usage=Usage(), cost_usd=Decimal(0))
    short, whole = shown(log(event)), shown(log(event), full=True)
    for part in ("so", "[image/png, 3 bytes]", "{broken"):
        assert part in short
        assert part in whole
    for part in ("  hm", '{"a":1}', "long " * 100):
        assert part not in short
        assert part in whole


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("styled", [False, True])
def test_nothing_that_was_said_steers_the_terminal(
    *, full: bool, styled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    call = ToolCall(ATTACK, ATTACK, {ATTACK: ATTACK, "list": [ATTACK]}, malformed=ATTACK)
    parts = (Thinking(ATTACK), Text(ATTACK), Blob(ATTACK, b""), Foreign(ATTACK, {ATTACK: ATTACK}), call)
    events = log(
        UserSaid(message_id=ATTACK, user_id=ATTACK, trace_id=ATTACK, parts=(Text(ATTACK), Blob(ATTACK, b""))),
        ModelSaid(message=assistant(parts), model=ATTACK, finish_reason=ATTACK, usage=Usage(), cost_usd=Decimal(0)),
        ToolReturned(result=ToolResult(ATTACK, ATTACK, ATTACK, ATTACK)),
        ToolReturned(result=ToolResult(ATTACK, ATTACK, ATTACK)),
        Summarised(text=ATTACK, cutoff=1),
        Interrupted(text=ATTACK, code=ATTACK, message=ATTACK),
        StepFailed(model=ATTACK, code=ATTACK, message=ATTACK),
        Opaque(ATTACK, {ATTACK: [ATTACK]}),
        TurnFinished(message_id=ATTACK, status="failed", steps=1, cost_usd=None, reason=ATTACK, text=ATTACK),
    )
    stream = Screen() if styled else io.StringIO()
    conversation = Conversation(events, stream, full=full)
    about = Session(
        agent=ATTACK,
        session_id=ATTACK,
        user_id=ATTACK,
        participants=(ATTACK, ATTACK),
        created_at=START,
        last_active=START,
        title=ATTACK,
        metadata={ATTACK: ATTACK},
    )
    text = "\n".join([*conversation.head(about), *conversation.lines(), *conversation.foot()])
    for code in ("1m", "2m", "22m", "3m", "23m", "36m", "39m"):
        text = text.replace(f"\x1b[{code}", "")
    assert "evil" in text
    assert not [line for line in text.splitlines() if set("\x1b\x07\u202e\x9b") & set(line)]


def test_a_decision_of_routing_is_one_quiet_line_that_steers_no_terminal() -> None:
    plain = Routed(role="worker", model="gemini:g", reason="no rule makes it harder", complexity="simple")
    stands_in = Routed(role="fallback", model="offline", reason="it is down")
    attack = Routed(role=ATTACK, model=ATTACK, reason=ATTACK, complexity=ATTACK, phase=ATTACK)
    lines = list(Conversation(log(plain, stands_in, attack), io.StringIO()).lines())
    assert lines[:2] == [
        "[a simple task, work: worker gemini:g; no rule makes it harder]",
        "[fallback offline; it is down]",
    ]
    assert len(lines) == 3
    assert not set(lines[2]) & set("\x1b\x07\u202e")
