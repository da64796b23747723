"""How hard a task is: the first rule that says something decides, and is the reason."""

from collections.abc import Callable
from typing import Any, cast

import msgspec

from emonk.errors import InvalidConfig
from emonk.events import TaskHints
from emonk.routing.complexity import Scorer, TaskComplexity
from emonk.routing.section import RoutingSection
from emonk.routing.task import RoutedTask, complexity_of, read_task

SIMPLE_TYPES = frozenset({"skill_call", "factual_qa", "format_response"})

THRESHOLD = 0.5
"""The score from which on a task is complex, where neither a configuration nor the classifier says another."""

USUAL = RoutingSection()


class Assessment(msgspec.Struct, frozen=True):
    """How hard a task is, and which rule says so."""

    complexity: TaskComplexity
    reason: str


def assess(task: Any, classifier: Scorer | None = None, section: RoutingSection = USUAL) -> Assessment:
    """How hard a task is, in this order.

    1. `complexity`, where the task has it.
    2. `type`: `skill_call`, `factual_qa` and `format_response` are simple.
    3. The context, `context_length` or else an estimate: over 20,000 tokens complex, over 10,000 moderate.
    4. `requires_reasoning`: complex.
    5. More than one of `steps`: moderate.
    6. The classifier, if there is one and the task says what to do; otherwise simple.

    Args:
        task: a mapping as `read_task` reads it, or a text.
        classifier: a trained one.
        section: the bounds, and the classifier's threshold.

    Raises:
        InvalidConfig: the task cannot be understood, or the classifier gave no number.
    """
    read = task if isinstance(task, RoutedTask) else read_task(task)
    return assess_read(read.hints, lambda: read.text, lambda: read.tokens, classifier, section)


def assess_complexity(task: Any, classifier: Scorer | None = None, section: RoutingSection = USUAL) -> TaskComplexity:
    """How hard a task is, without the reason; see `assess`.

    Raises:
        InvalidConfig: as `assess`.
    """
    return assess(task, classifier, section).complexity


def assess_read(
    hints: TaskHints,
    text: Callable[[], str],
    tokens: Callable[[], float],
    classifier: Scorer | None,
    section: RoutingSection,
) -> Assessment:
    """The same of what is known already; `text` and `tokens` are asked only where nothing before them decides."""
    if hints.complexity:
        return Assessment(complexity_of(hints.complexity), "the task says so")
    if hints.type in SIMPLE_TYPES:
        return Assessment(TaskComplexity.SIMPLE, f"the type of the task is {hints.type}")
    length = tokens() if hints.context_length is None else hints.context_length
    if length > section.complex_tokens:
        return Assessment(TaskComplexity.COMPLEX, _longer(length, section.complex_tokens))
    if length > section.moderate_tokens:
        return Assessment(TaskComplexity.MODERATE, _longer(length, section.moderate_tokens))
    if hints.requires_reasoning:
        return Assessment(TaskComplexity.COMPLEX, "it requires reasoning")
    if hints.steps > 1:
        return Assessment(TaskComplexity.MODERATE, f"it has {hints.steps} steps")
    if classifier is not None and (said := text()):
        return _scored(classifier, said, section)
    return Assessment(TaskComplexity.SIMPLE, "no rule makes it harder")


def _longer(length: float, bound: int) -> str:
    return f"its context has {length:,.0f} tokens, over {bound:,}"


def _scored(classifier: Scorer, text: str, section: RoutingSection) -> Assessment:
    score = cast("object", classifier.score(text))
    if isinstance(score, bool) or not isinstance(score, int | float) or score != score:  # noqa: PLR0124 - not a number
        raise InvalidConfig(f"the classifier scores a text {score!r:.80}", hint="a number, higher for the lead")
    bound = section.threshold
    if bound is None:
        own: object = getattr(classifier, "threshold", None)
        bound = float(own) if isinstance(own, int | float) else THRESHOLD
    if score >= bound:
        return Assessment(TaskComplexity.COMPLEX, f"the classifier scores it {score:.3g}, {bound:.3g} or more")
    return Assessment(TaskComplexity.SIMPLE, f"the classifier scores it {score:.3g}, below {bound:.3g}")
