"""How hard a task is: the order of the rules, their bounds, and what cannot be understood."""

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emonk.errors import InvalidConfig
from emonk.messages import user
from emonk.routing.assessment import SIMPLE_TYPES, assess, assess_complexity
from emonk.routing.complexity import TaskComplexity
from emonk.routing.section import RoutingSection
from emonk.routing.task import read_hints

SIMPLE, MODERATE, COMPLEX = TaskComplexity


class Scores:
    """A classifier that says the same of every text."""

    def __init__(self, score: Any, threshold: float | None = None) -> None:
        self.texts: list[str] = []
        self._score = score
        if threshold is not None:
            self.threshold = threshold

    def score(self, text: str) -> Any:
        self.texts.append(text)
        return self._score


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ({}, SIMPLE),
        ({"complexity": "complex", "type": "factual_qa"}, COMPLEX),
        ({"complexity": TaskComplexity.MODERATE, "context_length": 50_000}, MODERATE),
        ({"complexity": " Simple ", "requires_reasoning": True}, SIMPLE),
        ({"complexity": None, "requires_reasoning": True}, COMPLEX),
        ({"type": "skill_call", "context_length": 50_000, "requires_reasoning": True}, SIMPLE),
        ({"type": "factual_qa", "steps": ["a", "b"]}, SIMPLE),
        ({"type": "format_response"}, SIMPLE),
        ({"type": "poem", "requires_reasoning": True}, COMPLEX),
        ({"context_length": 10_000}, SIMPLE),
        ({"context_length": 10_001}, MODERATE),
        ({"context_length": 20_000}, MODERATE),
        ({"context_length": 20_000.5}, COMPLEX),
        ({"context_length": 10**30}, COMPLEX),
        ({"context_length": 10_001, "requires_reasoning": True}, MODERATE),
        ({"context_length": 0, "requires_reasoning": True, "steps": ["a", "b"]}, COMPLEX),
        ({"requires_reasoning": False, "steps": ["a", "b"]}, MODERATE),
        ({"steps": ["a"]}, SIMPLE),
        ({"steps": []}, SIMPLE),
        ({"steps": 1}, SIMPLE),
        ({"steps": 2}, MODERATE),
        ({"input": "word " * 60_000}, COMPLEX),
        ({"input": "hi", "context": [user("word " * 12_000)]}, MODERATE),
        ({"input": "hi", "context": [{"role": "user", "content": "word " * 60_000}], "context_length": 5}, SIMPLE),
        ("a text alone", SIMPLE),
    ],
)
def test_the_first_rule_that_says_something_decides(task: Any, expected: TaskComplexity) -> None:
    assert assess_complexity(task) is expected


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ({"complexity": "hard"}, "the complexity of a task is 'hard'"),
        ({"complexity": 3}, "the complexity of a task is 3"),
        ({"complexity": ""}, "the complexity of a task is ''"),
        ({"type": 7}, "the type of the task is 7"),
        ({"context_length": "x"}, "the context_length of the task is 'x'"),
        ({"context_length": -1}, "the context_length of the task is -1"),
        ({"context_length": float("nan")}, "the context_length of the task is nan"),
        ({"context_length": True}, "the context_length of the task is True"),
        ({"requires_reasoning": "yes"}, "the requires_reasoning of the task is 'yes'"),
        ({"steps": "first"}, "the steps of the task are 'first'"),
        ({"steps": -1}, "the steps of the task are -1"),
        ({"steps": True}, "the steps of the task are True"),
        ({"steps": 2.5}, "the steps of the task are 2.5"),
        ({"input": 3}, "the input of the task is 3"),
        ({"context": "hello"}, "the context of the task is 'hello'"),
        ({"context": [3]}, "3 is no message"),
        (None, "the task is of type NoneType"),
        ([], "the task is of type list"),
    ],
)
def test_a_value_that_cannot_be_used_is_one_clear_error(task: Any, said: str) -> None:
    with pytest.raises(InvalidConfig) as raised:
        assess(task)
    assert raised.value.message.startswith(said)
    assert raised.value.hint


def test_the_classifier_is_asked_only_where_no_rule_says_anything() -> None:
    scores = Scores(0.9)
    for task in ({"complexity": "simple"}, {"type": "skill_call"}, {"steps": ["a", "b"]}, {"requires_reasoning": True}):
        assess({"input": "why?"} | task, scores)
    assert scores.texts == []
    assert assess({"input": "why?"}, scores).complexity is COMPLEX
    assert assess({"steps": ["a"]}, scores).complexity is SIMPLE
    assert scores.texts == ["why?"]


@pytest.mark.parametrize(
    ("score", "own", "configured", "expected"),
    [
        (0.5, None, None, COMPLEX),
        (0.49, None, None, SIMPLE),
        (0.3, 0.25, None, COMPLEX),
        (0.3, 0.25, 0.4, SIMPLE),
        (-3.0, None, -4.0, COMPLEX),
        (float("inf"), None, None, COMPLEX),
    ],
)
def test_the_threshold_is_the_configured_one_or_else_the_classifiers_own(
    score: float, own: float | None, configured: float | None, expected: TaskComplexity
) -> None:
    assessed = assess({"input": "why?"}, Scores(score, own), RoutingSection(threshold=configured))
    assert assessed.complexity is expected
    assert "the classifier scores it" in assessed.reason


@pytest.mark.parametrize("score", [None, "high", float("nan"), True])
def test_a_classifier_that_gives_no_number_is_refused(score: Any) -> None:
    with pytest.raises(InvalidConfig, match="the classifier scores a text"):
        assess({"input": "why?"}, Scores(score))


def test_bounds_can_be_moved() -> None:
    section = RoutingSection(moderate_tokens=5, complex_tokens=50)
    found = [assess({"context_length": length}, section=section).complexity for length in (5, 6, 50, 51)]
    assert found == [SIMPLE, MODERATE, MODERATE, COMPLEX]


@pytest.mark.parametrize(
    "settings",
    [
        {"worker_seconds": 0},
        {"quiet_steps": 0},
        {"moderate_tokens": -1},
        {"moderate_tokens": 30_000},
        {"threshold": float("nan")},
        {"threshold": "high"},
    ],
)
def test_a_section_that_makes_no_sense_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(InvalidConfig):
        RoutingSection(**settings)


_tasks = st.fixed_dictionaries(
    {},
    optional={
        "complexity": st.sampled_from([None, *TaskComplexity, "simple", "complex"]),
        "type": st.sampled_from([None, *SIMPLE_TYPES, "", "other"]),
        "context_length": st.none() | st.integers(0, 30_000) | st.floats(0, 1e6),
        "requires_reasoning": st.none() | st.booleans(),
        "steps": st.none() | st.integers(0, 3) | st.lists(st.text(), max_size=3),
        "input": st.text(max_size=40),
    },
)


def _as_the_issue_words_it(task: Mapping[str, Any], score: float | None) -> TaskComplexity:
    if task.get("complexity") is not None:
        return TaskComplexity(task["complexity"])
    if task.get("type") in {"skill_call", "factual_qa", "format_response"}:
        return SIMPLE
    length = task.get("context_length") or 0
    if length > 10_000:
        return COMPLEX if length > 20_000 else MODERATE
    if task.get("requires_reasoning"):
        return COMPLEX
    steps = task.get("steps") or 0
    if (steps if isinstance(steps, int) else len(steps)) > 1:
        return MODERATE
    return COMPLEX if score is not None and task.get("input") and score >= 0.5 else SIMPLE


@given(_tasks, st.none() | st.floats(0, 1))
def test_every_task_is_assessed_in_the_order_of_the_rules(task: dict[str, Any], score: float | None) -> None:
    before = dict(task)
    classifier = None if score is None else Scores(score)
    assert assess(task, classifier).complexity is _as_the_issue_words_it(task, score)
    assert task == before


@given(_tasks)
def test_hints_that_went_through_a_log_say_the_same(task: dict[str, Any]) -> None:
    hints = read_hints(task)
    assert msgspec.json.decode(msgspec.json.encode(hints), type=type(hints)) == hints
