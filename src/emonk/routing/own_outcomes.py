"""What became of an agent's own turns: outcomes from the logs of its sessions.

A turn counts where the worker had its chance. Its answer held when the turn came to its end without the lead taking
over; it did not when the lead had to, or when the turn reached its limit. How good an answer was nobody has judged.
"""

from collections.abc import Iterable, Iterator

import msgspec

from emonk.events import Event, Routed, TurnCancelled, TurnFinished, UserSaid
from emonk.messages import Text
from emonk.routing.outcomes import Outcome


class _Turn:
    """What is known of a turn so far."""

    def __init__(self, said: UserSaid) -> None:
        self.prompt = "\n".join(part.text for part in said.parts if isinstance(part, Text)).strip()
        self.worked = False
        self.escalated = False
        self.unclear = said.lead

    def route(self, event: Routed) -> None:
        if event.phase == "escalated":
            self.escalated = True
        elif event.phase == "asked":
            self.unclear = True
        elif event.phase == "work":
            self.worked = self.worked or event.role == "worker"
            self.unclear = self.unclear or event.role != "worker"  # another one stood in

    def outcome(self, end: TurnFinished) -> Outcome | None:
        ended = end.status in {"done", "limit", "failed"}
        if not (self.prompt and self.worked and ended) or self.unclear:
            return None
        if self.escalated:
            return Outcome(self.prompt, worker_correct=False, lead_correct=end.status == "done")
        if end.status == "failed":
            return None  # the outside failed, or something that is no answer's fault
        return Outcome(self.prompt, worker_correct=end.status == "done")


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
            case Routed() if turn is not None:
                turn.route(event)
            case TurnFinished() if turn is not None:
                if event.status in {"waiting_approval", "waiting_effect"}:
                    continue
                yield turn.outcome(event)
                turn = None
            case TurnCancelled() if turn is not None:
                yield None
                turn = None
            case _:
                pass
