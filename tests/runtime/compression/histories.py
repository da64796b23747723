"""Histories of sessions, and contexts made of them."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from hypothesis import strategies as st
from msgspec.structs import replace

from emonk.events import (
    Event,
    InboxItem,
    Interrupted,
    Logged,
    ModelSaid,
    StepFailed,
    ToolReturned,
    TurnFinished,
    UserSaid,
)
from emonk.memory.doors import Kept
from emonk.messages import Text, ToolCall, ToolResult, assistant
from emonk.records import Owner, SessionKey, Usage
from emonk.resilience.deadline import Deadlines
from emonk.resilience.guards import Guards
from emonk.runtime.asking import Asker
from emonk.runtime.candidates import Candidate, Candidates
from emonk.runtime.compression.compressor import TurnContext
from emonk.runtime.compression.room import Room
from emonk.runtime.compression.shortening import usual_limit
from emonk.runtime.journal import Journal
from emonk.runtime.ledger import Ledger
from emonk.runtime.limits import Limits
from emonk.runtime.progress import TurnEvent
from emonk.runtime.setup import Setup
from emonk.runtime.tally import Tally
from emonk.store.protocol import Append, Claimed, Release, Store
from emonk.testing.clock import ManualClock
from emonk.testing.model import ScriptedModel

KEY = SessionKey("a", "s")
OWNER = Owner("host", "boot", 1, 1, "token")
WORDS = "plan the launch, then read src/app/main.py and tell me whether ISSUE-12 is done? "


class Step(NamedTuple):
    """An answer of the model with calls: how long their results are, None for one that never came."""

    text: int
    results: tuple[int | None, ...]


class Told(NamedTuple):
    """One turn: what the user said, the steps, and how it ended."""

    asked: int
    steps: tuple[Step, ...]
    ending: str


def text_of(length: int) -> str:
    """Text of that many characters."""
    return (WORDS * (length // len(WORDS) + 1))[:length]


steps = st.builds(
    Step,
    st.sampled_from([0, 40, 400]),
    st.lists(st.sampled_from([0, 30, 900, 9000]), min_size=1, max_size=3).map(tuple),
)
turns = st.builds(
    Told,
    st.sampled_from([20, 200, 1500]),
    st.lists(steps, max_size=4).map(tuple),
    st.sampled_from(["answer", "limit", "interrupted", "failed step"]),
)
histories = st.tuples(
    st.lists(turns, max_size=9),
    st.builds(Told, st.sampled_from([20, 200]), st.lists(steps, max_size=8).map(tuple), st.just("open")),
    st.sampled_from(["whole", "call open", "call open earlier"]),
)


def events_of(history: tuple[list[Told], Told, str]) -> list[Event]:
    """The events of a history; the first is the message of the session's first turn."""
    told, last, shape = history
    numbers = iter(range(10_000))
    events: list[Event] = []
    for number, turn in enumerate([*told, last]):
        events.append(said(f"m{number}", text_of(turn.asked)))
        events += _steps(turn, numbers)
        events += _ending(turn.ending, f"m{number}")
    if shape == "call open":
        events.append(model_said("", [ToolCall("open", "wait", {})]))
    elif shape == "call open earlier":
        at = next((n for n, event in enumerate(events) if isinstance(event, ToolReturned)), None)
        if at is not None:
            del events[at]
    return events


def said(message_id: str, text: str) -> UserSaid:
    return UserSaid(message_id=message_id, user_id="u", trace_id="t", parts=(Text(text),))


def model_said(text: str, calls: Sequence[ToolCall] = ()) -> ModelSaid:
    message = assistant(text, tool_calls=calls)
    return ModelSaid(message=message, model="m", finish_reason="STOP", usage=Usage(), cost_usd=Decimal(0))


def _steps(turn: Told, numbers: Iterator[int]) -> Iterator[Event]:
    for step in turn.steps:
        calls = [ToolCall(f"c{next(numbers)}", "look", {"path": "src/app/main.py"}) for _ in step.results]
        yield model_said(text_of(step.text), calls)
        for call, length in zip(reversed(calls), step.results, strict=True):
            yield ToolReturned(result=ToolResult(call.id, "look", text_of(length or 0)))


def _ending(ending: str, message_id: str) -> Iterator[Event]:
    finished: Any = TurnFinished(message_id=message_id, status="done", steps=1, cost_usd=Decimal(0))
    match ending:
        case "answer":
            yield model_said("Done: we decided to go on with it.")
            yield finished
        case "limit":
            yield replace(finished, status="limit", text="Stopped.", reason="steps")
        case "interrupted":
            yield Interrupted(text="I was", code="disconnected", message="gone")
            yield replace(finished, status="failed", reason="interrupted")
        case "failed step":
            yield StepFailed(model="m", code="malformed_output", message="nonsense")
            yield model_said("Done.")
            yield finished
        case _:
            return


class Opened(NamedTuple):
    """A claimed turn and its context."""

    claimed: Claimed
    journal: Journal
    context: TurnContext
    seen: list[TurnEvent]


async def begin(store: Store, events: Sequence[Event]) -> None:
    """A session with that log whose first message is not answered yet."""
    first = events[0]
    assert isinstance(first, UserSaid)
    accepted = await store.accept(InboxItem(KEY, first.message_id, "u", first), owner=OWNER)
    assert accepted.claimed is not None
    written = (Append(tuple(events[1:])), Release()) if events[1:] else (Release(),)
    await store.commit(written, fence=accepted.claimed.lease, expected_revision=1)


async def opened(store: Store, model: ScriptedModel, **room: Any) -> Opened:
    """Claim the session and build the turn's context."""
    claimed = await store.claim(KEY, OWNER)
    assert claimed is not None
    clock = ManualClock()
    guards = Guards(clock=clock)
    candidates = Candidates([Candidate("lead", model, guards.of("models", model.spec))])
    budget = room.pop("budget", 1500)
    setup = Setup(
        agent="a",
        instructions="",
        candidates=candidates,
        tools={},
        limits=Limits(),
        clock=clock,
        guards=guards,
        kept=Kept("a", store),
        in_time=Deadlines(300, clock),
        room=Room(budget=budget, shown=usual_limit(budget), **room),
    )
    journal = Journal(store, claimed.lease, claimed.revision, (), claimed.events)
    seen: list[TurnEvent] = []
    asker = Asker(
        setup,
        deadline=clock.monotonic() + 300,
        emit=seen.append,
        watched=False,
        background=False,
        patient=False,
        note=lambda failed: journal.note((failed,)),
        ledger=Ledger(setup, journal, claimed.item),
    )
    context = TurnContext(setup, journal, claimed.item, asker=asker, tally=Tally(), emit=seen.append)
    return Opened(claimed, journal, context, seen)


async def log_of(store: Store) -> list[Logged]:
    """The whole log."""
    return await store.read(KEY)
