"""Who is to do a task, in which order: a table, and nothing that asks anybody."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Literal, cast, get_args

import msgspec

from emonk.errors import InvalidConfig
from emonk.routing.assessment import USUAL, Assessment, assess
from emonk.routing.complexity import Scorer, TaskComplexity
from emonk.routing.section import RoutingSection

Role = Literal["lead", "worker", "fallback"]
ROLES = cast("tuple[Role, ...]", get_args(Role))

ORDER: Mapping[TaskComplexity, tuple[Role, ...]] = {
    TaskComplexity.SIMPLE: ("worker", "lead", "fallback"),
    TaskComplexity.MODERATE: ("worker", "lead", "fallback"),
    TaskComplexity.COMPLEX: ("lead", "fallback", "worker"),
}
"""The worker comes last where a task is too hard for it: it is better than nobody."""

STAND_BY = 45.0
"""Seconds that a model may spend on waits between retries while another one stands by."""


class Choice(msgspec.Struct, frozen=True):
    """One who may do it.

    Attributes:
        role: of the model.
        seconds: for its answer, with all retries; None without a limit.
        why: it, and in this place.
    """

    role: Role
    seconds: float | None
    why: str


class Decision(msgspec.Struct, frozen=True):
    """Who may do a task, best first; nobody where none can be called.

    Attributes:
        complexity: of the task.
        reason: why it is as hard as that.
        candidates: each is asked when those before it have failed.
    """

    complexity: TaskComplexity
    reason: str
    candidates: tuple[Choice, ...]

    def __iter__(self) -> Iterator[Choice]:
        return iter(self.candidates)

    def __len__(self) -> int:
        return len(self.candidates)

    def __getitem__(self, place: int) -> Choice:
        return self.candidates[place]


def decide(
    task: Any,
    availability: Collection[Role] | Mapping[Role, bool],
    *,
    classifier: Scorer | None = None,
    section: RoutingSection = USUAL,
) -> Decision:
    """Who is to do a task.

    Simple: the worker, then the lead. Moderate: the worker within its time, then the lead. Complex: the lead. The
    fallback follows the lead. Who is not available is left out; the worker has no time limit where nobody follows, and
    does what is complex where nobody else is there.

    Args:
        task: a mapping as `assess` reads it, or what that said, or a `TaskComplexity`.
        availability: the roles that can be called, or each role with whether it can.
        classifier: a trained one.
        section: the bounds and the worker's time.

    Raises:
        InvalidConfig: the task cannot be understood, or there is no such role.
    """
    match task:
        case Assessment():
            assessed = task
        case TaskComplexity():
            assessed = Assessment(task, "the task says so")
        case _:
            assessed = assess(task, classifier, section)
    able = _able(availability)
    roles: list[Role] = [role for role in ORDER[assessed.complexity] if role in able]
    limited = assessed.complexity is TaskComplexity.MODERATE and len(roles) > 1
    choices = [
        Choice(
            role,
            section.worker_seconds if limited and role == "worker" else None,
            _why(role, assessed.complexity, able, roles[:place]),
        )
        for place, role in enumerate(roles)
    ]
    return Decision(assessed.complexity, assessed.reason, tuple(choices))


def _able(availability: object) -> Collection[Role]:
    if isinstance(availability, Mapping):
        given = cast("Mapping[object, object]", availability)
        names, able = list(given), [role for role, can in given.items() if can]
    elif isinstance(availability, str) or not isinstance(availability, Collection):
        raise InvalidConfig(f"availability is {availability!r:.80}", hint='such as {"lead", "worker"}')
    else:
        names = able = list(cast("Collection[object]", availability))
    unknown = next((role for role in names if role not in ROLES), None)
    if unknown is not None:
        raise InvalidConfig(f"{unknown!r:.80} is no role of a model", hint=f"the roles are {', '.join(ROLES)}")
    return cast("Collection[Role]", able)


def _why(role: Role, complexity: TaskComplexity, able: Collection[Role], before: list[Role]) -> str:
    hard = complexity is TaskComplexity.COMPLEX
    match role:
        case "worker":
            if not hard:
                return f"the worker does what is {complexity}"
            return "nobody else is left" if before else "nobody else can be called"
        case "lead":
            if hard:
                return "the lead does what is complex"
            return "the worker failed" if before else "there is no worker that can be called"
        case "fallback":
            return "the lead failed" if "lead" in able else "the lead cannot be called"
