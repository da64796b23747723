"""Worker or lead: the invariants of routing, by the logs alone."""

from collections.abc import Iterator, Sequence

from emonk.events import Logged, ModelSaid, Routed, UserSaid
from emonk.routing.assessment import Assessment
from emonk.routing.complexity import TaskComplexity
from emonk.routing.course import Course, first_phase
from emonk.routing.section import QUIET_STEPS
from emonk.testing.simulator.history import History


def each_way_follows_from_its_log(history: History) -> Iterator[str]:
    """Whatever was killed when: a turn has one assessment, and turns only where its events say so."""
    if history.ended is None:
        return
    for key, log in history.ended.logs.items():
        for wrong in _wrong(log):
            yield f"session {key.session_id}, {wrong}"
            return


def _wrong(log: Sequence[Logged]) -> Iterator[str]:
    course, asked = Course(), False
    for logged in log:
        match logged.event:
            case UserSaid(lead=lead):
                course, asked = Course(), lead
            case Routed() as routed if routed.complexity:
                if why := _misplaced(course, routed, asked=asked):
                    yield f"revision {logged.revision}: {why}"
            case ModelSaid() if course.complexity is not None and course.turned(QUIET_STEPS) is not None:
                yield f"revision {logged.revision}: an answer in the phase {course.phase}, which is over"
            case _:
                pass
        course = course.after(logged.event)


def _misplaced(course: Course, routed: Routed, *, asked: bool) -> str:
    """What is wrong with a decision at this place; empty where nothing is."""
    following = course.after(routed)
    if course.complexity is None:
        assessed = Assessment(TaskComplexity(routed.complexity), "")
        return "" if routed.phase == first_phase(assessed, asked=asked) else f"a turn begins with {routed.phase}"
    if following.complexity is not course.complexity:
        return f"a {course.complexity} task has become {routed.complexity}"
    turned = course.turned(QUIET_STEPS)
    slow = routed.phase == "escalated" and "took longer than" in routed.reason
    if routed.phase != course.phase and not slow and (turned is None or turned[0] != routed.phase):
        return f"{course.phase} turns into {routed.phase}"
    return ""
