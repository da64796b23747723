"""Where a turn stands, by its events alone."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emonk.events import (
    Event,
    ModelSaid,
    Opaque,
    Routed,
    StepFailed,
    Summarised,
    ToolReturned,
    TurnFinished,
    decode,
    encode,
)
from emonk.messages import ToolResult, assistant
from emonk.records import Usage
from emonk.routing.assessment import Assessment
from emonk.routing.complexity import TaskComplexity
from emonk.routing.course import STRUGGLING, Course, first_phase

SIMPLE, MODERATE, COMPLEX = TaskComplexity
QUIET = 3


def course_of(events: Iterable[Event]) -> Course:
    """Where the turn stands that consists of these events."""
    course = Course()
    for event in events:
        course = course.after(event)
    return course


def said() -> Event:
    return ModelSaid(message=assistant("x"), model="m", finish_reason="STOP", usage=Usage(), cost_usd=None)


def failed(name: str, content: str = "no", *, correctable: bool = True) -> Event:
    return ToolReturned(result=ToolResult("c", name, content, "invalid_arguments"), correctable=correctable)


def fine() -> Event:
    return ToolReturned(result=ToolResult("c", "t", "ok"))


def unusable(code: str = "malformed_output") -> Event:
    return StepFailed(model="m", code=code, message="")


def routed(phase: str, complexity: str = "simple", role: str = "worker") -> Event:
    return Routed(role=role, model="m", reason="", complexity=complexity, phase=phase)


@pytest.mark.parametrize(
    ("events", "turned"),
    [
        ([routed("work")], None),
        ([routed("work"), said(), failed("a")], None),
        ([routed("work"), said(), failed("a"), said(), failed("a")], "escalated"),
        ([routed("work"), said(), failed("a"), failed("a")], None),
        ([routed("work"), said(), failed("a"), failed("b")], "escalated"),
        ([routed("work"), said(), failed("a", correctable=False), said(), failed("a", correctable=False)], None),
        ([routed("work"), unusable(), unusable("tool_not_used")], "escalated"),
        ([routed("work"), unusable("unavailable"), unusable("rate_limited")], None),
        ([routed("planning", "complex")], None),
        ([routed("planning", "complex"), unusable(), unusable()], None),
        ([routed("planning", "complex"), said()], "work"),
        ([routed("planning", "complex"), unusable(), unusable(), said()], "work"),
        ([routed("asked", "complex"), said(), failed("a"), said(), failed("b"), said(), said(), said()], None),
        ([routed("work"), unusable(), unusable(), routed("escalated"), said(), said()], None),
        ([routed("work"), unusable(), unusable(), routed("escalated"), said(), said(), said()], "work"),
        ([routed("escalated"), said(), said(), failed("a"), said(), fine()], None),
        ([routed("escalated"), said(), failed("a"), said(), fine(), said(), fine(), said(), fine()], "work"),
        ([routed("escalated"), said(), said(), said(), routed("work"), unusable()], None),
        ([routed("work"), unusable(), routed("work", role="lead"), unusable()], "escalated"),
    ],
)
def test_what_follows(events: list[Event], turned: str | None) -> None:
    following = course_of(events).turned(QUIET)
    assert (following and following[0]) == turned


@pytest.mark.parametrize(
    ("complexity", "phase", "hardness"),
    [
        (SIMPLE, "work", SIMPLE),
        (MODERATE, "work", MODERATE),
        (COMPLEX, "work", SIMPLE),
        (COMPLEX, "planning", COMPLEX),
        (SIMPLE, "escalated", COMPLEX),
        (COMPLEX, "asked", COMPLEX),
    ],
)
def test_how_hard_a_step_is(complexity: TaskComplexity, phase: Any, hardness: TaskComplexity) -> None:
    assert Course(complexity, phase).hardness is hardness


def test_how_a_turn_begins() -> None:
    assert [first_phase(Assessment(one, ""), asked=False) for one in TaskComplexity] == ["work", "work", "planning"]
    assert first_phase(Assessment(SIMPLE, ""), asked=True) == "asked"


def test_what_a_later_version_says_changes_nothing_it_does_not_know() -> None:
    course = course_of([routed("work"), unusable()])
    assert course.after(routed("sleeping", "impossible", "lead")) == Course(SIMPLE, "work", "lead", 0, 1, 0)
    assert course.after(Opaque("x", {"kind": "x"})) == course


_events = st.sampled_from(
    [
        *[said(), fine(), failed("a"), failed("b"), failed("a", "other"), unusable(), unusable("tool_not_used")],
        *[unusable("unavailable"), failed("a", correctable=False), Summarised(text="s", cutoff=1)],
        *[TurnFinished(message_id="m", status="done", steps=1, cost_usd=Decimal(0)), Opaque("x", {"kind": "x"})],
    ]
)


def driven(happens: Sequence[Event], begin: TaskComplexity, quiet: int, *, asked: bool = False) -> list[Event]:
    """The log of a turn to which this happens, as the runtime writes it: it looks before each answer."""
    phase = first_phase(Assessment(begin, ""), asked=asked)
    log: list[Event] = [routed(phase, begin.value, "worker" if phase == "work" else "lead")]
    for event in happens:
        if isinstance(event, ModelSaid | StepFailed) and (turned := course_of(log).turned(quiet)):
            log.append(routed(turned[0], begin.value, "worker" if turned[0] == "work" else "lead"))
        log.append(event)
    return log


@given(st.lists(_events, max_size=40), st.sampled_from(TaskComplexity), st.integers(1, 4), st.integers(0, 60))
def test_a_log_that_is_read_again_gives_the_state_back(
    happens: list[Event], begin: TaskComplexity, quiet: int, crash: int
) -> None:
    log = driven(happens, begin, quiet)
    live = Course()
    for event in log:
        live = live.after(event)
    stored = [decode(encode(event)) for event in log]
    assert course_of(stored) == live
    before = course_of(stored[:crash])
    for event in stored[crash:]:
        before = before.after(event)
    assert before == live
    assert live.complexity is begin


@given(st.lists(_events, max_size=60), st.sampled_from(TaskComplexity), st.integers(1, 4))
def test_the_way_is_from_planning_to_work_and_between_work_and_escalation(
    happens: list[Event], begin: TaskComplexity, quiet: int
) -> None:
    log = driven(happens, begin, quiet)
    phases = [event.phase for event in log if isinstance(event, Routed)]
    assert phases[0] == ("planning" if begin is COMPLEX else "work")
    allowed = {("planning", "work"), ("work", "escalated"), ("escalated", "work")}
    assert set(pairwise(phases)) <= allowed


@given(st.lists(_events, max_size=60), st.integers(1, 4))
def test_the_worker_never_works_on_after_two_failures_nor_returns_before_the_quiet_stretch(
    happens: list[Event], quiet: int
) -> None:
    phase, own, good, seen = "work", 0, 0, set[tuple[str, str]]()
    for event in driven(happens, SIMPLE, quiet):
        match event:
            case Routed():
                assert not (event.phase == "work" and phase == "escalated") or good >= quiet
                phase, own, good = event.phase, 0, 0
                seen.clear()
            case ModelSaid():
                assert not (phase == "work" and own >= STRUGGLING)
                good += 1
                seen.clear()
            case StepFailed(code="malformed_output" | "tool_not_used"):
                own, good = own + 1, 0
                seen.clear()
            case ToolReturned(correctable=True, result=result) if (result.name, result.content) not in seen:
                seen.add((result.name, result.content))
                own, good = own + 1, 0
            case _:
                continue


@given(st.lists(_events, max_size=60), st.sampled_from(TaskComplexity))
def test_who_asks_for_the_lead_keeps_it(happens: list[Event], begin: TaskComplexity) -> None:
    log = driven(happens, begin, 1, asked=True)
    assert sum(isinstance(event, Routed) for event in log) == 1
    assert course_of(log).hardness is COMPLEX
