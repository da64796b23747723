"""What became of an agent's own turns: outcomes from the logs of its sessions.

A turn counts where the worker had its chance. Its answer held when the turn came to its end without the lead; it did
not when the lead had to take over after failures of the worker's own making, or when the turn reached its limit of
steps. What tells nothing of the worker is left out: a plan that the lead made and the worker carried out, an answer
that was too late, an end for want of money, time or a model. How good an answer was nobody has judged.
"""

from collections.abc import Iterable, Iterator

import msgspec

from emonk.events import Event, Routed, TurnCancelled, TurnFinished, UserSaid
from emonk.messages import Text
from emonk.routing.course import STRUGGLING, Course
from emonk.routing.outcomes import Outcome

STEPS = "steps"
"""The reason of the limit that a turn reaches by what its model does; others are of money and time."""


class _Turn:
    """What is known of a turn so far."""

    def __init__(self, said: UserSaid) -> None:
        self.prompt = "\n".join(part.text for part in said.parts if isinstance(part, Text)).strip()
        self.worked = False
        self.planned = False
        self.failed = False
        self.course = Course()
        self.unclear = said.lead

    def add(self, event: Event) -> None:
        if isinstance(event, Routed):
            self._route(event)
        self.course = self.course.after(event)

    def _route(self, event: Routed) -> None:
        if event.phase == "escalated":
            struggled = self.course.own >= STRUGGLING
            self.failed = self.failed or struggled
            self.unclear = self.unclear or not struggled  # it was too slow, which may be its provider's day
        elif event.phase == "planning":
            self.planned = True
        elif event.phase == "asked":
            self.unclear = True
        elif event.phase == "work":
            self.worked = self.worked or event.role == "worker"
            self.unclear = self.unclear or event.role != "worker"  # another one stood in

    def outcome(self, end: TurnFinished) -> Outcome | None:
        if not (self.prompt and self.worked) or self.unclear:
            return None
        done = end.status == "done"
        held = done or (False if end.status == "limit" and end.reason == STEPS else None)
        if self.failed:
            return Outcome(self.prompt, worker_correct=False, lead_correct=held)
        return None if held is None or self.planned else Outcome(self.prompt, worker_correct=held)


class OwnOutcomes(msgspec.Struct):
    """What was found, and how many turns tell nothing of the worker."""

    rows: list[Outcome] = msgspec.field(default_factory=list[Outcome])
    left_out: int = 0

    def add(self, events: Iterable[Event]) -> None:
        """Take what a session's log holds, from its beginning."""
        for outcome in _outcomes(events):
            if outcome is None:
                self.left_out += 1
            else:
                self.rows.append(outcome)


def _outcomes(events: Iterable[Event]) -> Iterator[Outcome | None]:
    turn: _Turn | None = None
    for event in events:
        match event:
            case UserSaid():
                turn = _Turn(event)
            case TurnFinished() if turn is not None:
                if event.status in {"waiting_approval", "waiting_effect"}:
                    continue
                yield turn.outcome(event)
                turn = None
            case TurnCancelled() if turn is not None:
                yield None
                turn = None
            case _ if turn is not None:
                turn.add(event)
            case _:
                pass
