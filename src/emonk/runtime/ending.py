"""How a turn ends."""

import msgspec

from emonk.events import Event, ModelSaid
from emonk.records import ReplyStatus


class Ending(msgspec.Struct, frozen=True, gc=False):
    """What the reply will say, and which events still belong into the log before it.

    `error` is the class of emonk's error that ended it, by name, empty where none did.
    """

    status: ReplyStatus
    text: str
    reason: str = ""
    events: tuple[Event, ...] = ()
    error: str = ""

    @property
    def own_text(self) -> str:
        """The text, unless an answer of the model among the events says it already."""
        for event in self.events:
            if isinstance(event, ModelSaid) and event.message.text == self.text:
                return ""
        return self.text


class TurnEnded(Exception):
    """The turn is over without an answer of the model."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(ending.text)
        self.ending = ending


CANCELLED = Ending("cancelled", "Cancelled.", "cancelled")
