"""Who is to do a task: the whole table."""

from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emonk.errors import InvalidConfig
from emonk.routing.assessment import Assessment
from emonk.routing.complexity import TaskComplexity
from emonk.routing.decision import ROLES, Role, decide
from emonk.routing.section import RoutingSection

SIMPLE, MODERATE, COMPLEX = TaskComplexity

TABLE: dict[tuple[TaskComplexity, str], list[tuple[str, float | None]]] = {
    (SIMPLE, ""): [],
    (SIMPLE, "lead"): [("lead", None)],
    (SIMPLE, "worker"): [("worker", None)],
    (SIMPLE, "fallback"): [("fallback", None)],
    (SIMPLE, "lead worker"): [("worker", None), ("lead", None)],
    (SIMPLE, "lead fallback"): [("lead", None), ("fallback", None)],
    (SIMPLE, "worker fallback"): [("worker", None), ("fallback", None)],
    (SIMPLE, "lead worker fallback"): [("worker", None), ("lead", None), ("fallback", None)],
    (MODERATE, ""): [],
    (MODERATE, "lead"): [("lead", None)],
    (MODERATE, "worker"): [("worker", None)],
    (MODERATE, "fallback"): [("fallback", None)],
    (MODERATE, "lead worker"): [("worker", 10.0), ("lead", None)],
    (MODERATE, "lead fallback"): [("lead", None), ("fallback", None)],
    (MODERATE, "worker fallback"): [("worker", 10.0), ("fallback", None)],
    (MODERATE, "lead worker fallback"): [("worker", 10.0), ("lead", None), ("fallback", None)],
    (COMPLEX, ""): [],
    (COMPLEX, "lead"): [("lead", None)],
    (COMPLEX, "worker"): [("worker", None)],
    (COMPLEX, "fallback"): [("fallback", None)],
    (COMPLEX, "lead worker"): [("lead", None), ("worker", None)],
    (COMPLEX, "lead fallback"): [("lead", None), ("fallback", None)],
    (COMPLEX, "worker fallback"): [("fallback", None), ("worker", None)],
    (COMPLEX, "lead worker fallback"): [("lead", None), ("fallback", None), ("worker", None)],
}


def test_the_table_is_whole() -> None:
    sets = [" ".join(some) for count in range(4) for some in combinations(ROLES, count)]
    assert {(complexity, some) for complexity in TaskComplexity for some in sets} == set(TABLE)


@pytest.mark.parametrize(("case", "expected"), TABLE.items(), ids=str)
def test_who_is_asked_and_for_how_long(case: tuple[TaskComplexity, str], expected: list[tuple[str, Any]]) -> None:
    complexity, able = case
    decision = decide({"complexity": complexity.value}, {role: role in able.split() for role in ROLES})
    assert [(choice.role, choice.seconds) for choice in decision] == expected
    assert (decision.complexity, decision.reason) == (complexity, "the task says so")
    assert all(choice.why for choice in decision)


def test_the_reasons_are_those_of_the_case() -> None:
    task = {"complexity": "simple"}
    assert [choice.why for choice in decide(task, ROLES)] == [
        "the worker does what is simple",
        "the worker failed",
        "the lead failed",
    ]
    assert [choice.why for choice in decide(task, {"lead"})] == ["there is no worker that can be called"]
    assert [choice.why for choice in decide({"complexity": "complex"}, {"fallback", "worker"})] == [
        "the lead cannot be called",
        "nobody else is left",
    ]
    assert decide({"complexity": "complex"}, {"worker"})[0].why == "nobody else can be called"


def test_what_was_assessed_is_not_assessed_again() -> None:
    decision = decide(Assessment(COMPLEX, "it is known"), ROLES)
    assert (decision.reason, len(decision), decision[0].role) == ("it is known", 3, "lead")
    assert decide(COMPLEX, ROLES).candidates == decision.candidates


def test_the_workers_time_can_be_set() -> None:
    assert decide(MODERATE, ROLES, section=RoutingSection(worker_seconds=2.5))[0].seconds == 2.5


@pytest.mark.parametrize("availability", ["lead", 3, None, {"boss"}, {"boss": False}, [["lead"]]])
def test_availability_that_makes_no_sense_is_refused(availability: Any) -> None:
    with pytest.raises(InvalidConfig):
        decide({}, availability)


@given(st.sampled_from(TaskComplexity), st.sets(st.sampled_from(ROLES)))
def test_everybody_who_can_be_called_is_there_once_and_nobody_else(complexity: TaskComplexity, able: set[Role]) -> None:
    decision = decide(complexity, able)
    assert sorted(choice.role for choice in decision) == sorted(able)
    assert all(choice.seconds is None for choice in decision if choice.role != "worker" or choice is decision[-1])
    roles = [choice.role for choice in decision]
    if {"lead", "fallback"} <= able:
        assert roles.index("lead") < roles.index("fallback")
