"""Who is asked next in one turn, and the record of why: routing as a turn carries it out."""

from collections.abc import Callable

from emonk.events import Routed, UserSaid
from emonk.messages import UserMessage
from emonk.routing.assessment import Assessment, assess_read
from emonk.routing.complexity import TaskComplexity
from emonk.routing.course import Course, Phase, first_phase
from emonk.runtime.asking import Asker
from emonk.runtime.candidates import Candidate
from emonk.runtime.journal import Journal
from emonk.runtime.setup import Setup

_BEGINNING = Course()
_ALONE = Course(role="lead")

ASKED = Assessment(TaskComplexity.COMPLEX, "the message asks for the lead")


class Route:
    """The way of one turn between worker and lead.

    Where it stands follows from the events of the turn alone, so a turn that goes on after a crash goes on as it would
    have. An agent without a worker has nothing to decide: only who stands in for its lead is recorded.
    """

    def __init__(self, setup: Setup, journal: Journal, said: UserSaid | None, *, resumed: bool) -> None:
        self._setup = setup
        self._journal = journal
        self._said = said
        self._course = _BEGINNING
        self._divides = setup.candidates.can_escalate
        self._read = _begin_of(journal, said) if resumed else len(journal.events)
        if resumed:
            self._catch_up()
        if not (self._divides or self._course.role):
            self._course = _ALONE

    def next(self, tokens: Callable[[], int]) -> TaskComplexity:
        """How hard the next step is, which decides who is asked; `tokens` is the size of the conversation."""
        if not self._divides:
            return TaskComplexity.SIMPLE
        self._catch_up()
        if self._course.complexity is None:
            self._begin(tokens)
        elif turned := self._course.turned(self._setup.routing.section.quiet_steps):
            self._turn(*turned)
        return self._course.hardness

    def answered(self, asker: Asker) -> None:
        """Somebody answered: it is recorded where it is not who did before, or was to."""
        by = asker.by
        if by is None:
            return
        if asker.slow and by.role != "worker":
            self._note(by, asker.why, "escalated")
        elif by.role != self._course.role:
            self._note(by, asker.why, self._course.phase)

    def _begin(self, tokens: Callable[[], int]) -> None:
        assessed = self._assess(tokens)
        self._course = Course(assessed.complexity)
        self._turn(first_phase(assessed, asked=assessed is ASKED), assessed.reason)

    def _assess(self, tokens: Callable[[], int]) -> Assessment:
        said, routing = self._said, self._setup.routing
        if said is None:
            return assess_read(routing.nothing, str, tokens, None, routing.section)
        if said.lead:
            return ASKED
        hints = said.hints or routing.nothing
        return assess_read(hints, lambda: UserMessage(said.parts).text, tokens, routing.classifier, routing.section)

    def _turn(self, phase: Phase, reason: str) -> None:
        complexity = self._course.complexity
        hardness = Course(complexity, phase).hardness
        self._note(self._setup.candidates.order(hardness)[0], reason, phase)

    def _note(self, by: Candidate, reason: str, phase: Phase) -> None:
        complexity = self._course.complexity
        self._journal.note(
            (
                Routed(
                    role=by.role,
                    model=by.model.spec,
                    reason=reason,
                    complexity=complexity.value if complexity else "",
                    phase=phase,
                ),
            )
        )
        self._catch_up()

    def _catch_up(self) -> None:
        events = self._journal.events
        course = self._course
        for at in range(self._read, len(events)):
            course = course.after(events[at].event)
        self._course, self._read = course, len(events)


def _begin_of(journal: Journal, said: UserSaid | None) -> int:
    """The place of the first event of the turn that goes on."""
    events = journal.events
    for at in range(len(events) - 1, -1, -1):
        event = events[at].event
        if isinstance(event, UserSaid) and (said is None or event.message_id == said.message_id):
            return at
    return 0
