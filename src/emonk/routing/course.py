"""Where a turn stands between worker and lead: a fold over its events, so that its log gives it back after a crash."""

from typing import Literal, cast, get_args

import msgspec
from msgspec.structs import replace

from emonk.events import Event, ModelSaid, Routed, StepFailed, ToolReturned
from emonk.routing.assessment import Assessment
from emonk.routing.complexity import TaskComplexity

Phase = Literal["planning", "work", "escalated", "asked"]
"""`planning`: the lead makes the first step of what is complex. `work`: the worker does it. `escalated`: the lead does,
since the worker failed. `asked`: the lead does, since the user wants it."""

STRUGGLING = 2
"""Failures of the worker's own making after which the lead takes over."""

UNUSABLE = frozenset({"malformed_output", "tool_not_used"})
"""Codes of answers that came and could not be used."""

_PHASES = frozenset(get_args(Phase))
_KNOWN = {one.value: one for one in TaskComplexity}


class Course(msgspec.Struct, frozen=True):
    """The state of a turn.

    Attributes:
        complexity: of its task; None before that is decided.
        phase: who is to answer.
        role: who answered last, or was to, by the log; empty before that is decided.
        steps: answers of models in this phase that could be used.
        own: failures of the model's own making in this phase; equal ones of one step count once.
        quiet: steps since the last of them, the one under way included.
    """

    complexity: TaskComplexity | None = None
    phase: Phase = "work"
    role: str = ""
    steps: int = 0
    own: int = 0
    quiet: int = 0
    failed: frozenset[tuple[str, str]] = frozenset()

    @property
    def hardness(self) -> TaskComplexity:
        """Of the next step: what decides who makes it."""
        if self.phase != "work":
            return TaskComplexity.COMPLEX
        return TaskComplexity.MODERATE if self.complexity is TaskComplexity.MODERATE else TaskComplexity.SIMPLE

    def after(self, event: Event) -> "Course":
        """The state once this has happened."""
        match event:
            case Routed():
                return self._routed(event)
            case ModelSaid():
                return replace(self, steps=self.steps + 1, quiet=self.quiet + 1, failed=frozenset())
            case StepFailed(code=code) if code in UNUSABLE:
                return replace(self, own=self.own + 1, quiet=0, failed=frozenset())
            case ToolReturned(correctable=True, result=result) if result.error:
                key = result.name, result.content
                if key in self.failed:
                    return self
                return replace(self, own=self.own + 1, quiet=0, failed=self.failed | {key})
            case _:
                return self

    def turned(self, quiet_steps: int) -> tuple[Phase, str] | None:
        """The phase in which the next step is made, and why, where that is another one; asked between steps."""
        match self.phase:
            case "planning" if self.steps:
                return "work", "the plan is made"
            case "work" if self.own >= STRUGGLING:
                return "escalated", f"{self.own} failures of the worker's own making"
            case "escalated" if self.quiet >= quiet_steps:
                return "work", f"{self.quiet} steps without a failure"
            case _:
                return None

    def _routed(self, event: Routed) -> "Course":
        phase = cast("Phase", event.phase) if event.phase in _PHASES else self.phase
        complexity = _KNOWN.get(event.complexity, self.complexity)
        if phase == self.phase and self.role:
            return replace(self, complexity=complexity, role=event.role)
        return Course(complexity, phase, event.role)


def first_phase(assessed: Assessment, *, asked: bool) -> Phase:
    """How a turn begins; `asked` where its user wants the lead."""
    if asked:
        return "asked"
    return "planning" if assessed.complexity is TaskComplexity.COMPLEX else "work"
