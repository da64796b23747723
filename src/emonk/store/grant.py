"""A turn that was granted, and who may be granted one."""

from typing import NamedTuple

import msgspec

from emonk.events import Event, InboxItem, Logged, UserSaid
from emonk.messages import Text
from emonk.records import Lease, Owner
from emonk.store.change import Row, decoded
from emonk.store.owners import is_dead
from emonk.store.protocol import TITLE_LENGTH, Claimed

_owner_decoder = msgspec.json.Decoder(Owner)


class Next(NamedTuple):
    """The oldest unfinished item: in the log at `revision`, or still waiting with its `event`."""

    number: int
    message_id: str
    user_id: str
    accepted_at: int
    event: bytes | None
    revision: int | None


class Granted(NamedTuple):
    """A turn with the log that it starts from, which may be long: it is decoded after the transaction.

    `begun` is the revision of the item's event; it is `covered` when a summary reaches beyond it.
    """

    lease: Lease
    item: Next
    begun: int
    revision: int
    log: list[Row]
    covered: list[Row]
    resumed: bool

    def claimed(self, said: Event | None = None) -> Claimed:
        """What the owner gets; `said` is the event of the item where that is the whole log, so none need be read.

        Raises:
            InvalidConfig: an event cannot be read.
        """
        session, item = self.lease.session, self.item
        events = decoded(session, self.log) if said is None else [Logged(1, item.accepted_at, said)]
        asked = decoded(session, self.covered)[0] if self.covered else events[self.begun - events[0].revision]
        kept = InboxItem(session, item.message_id, item.user_id, asked.event, item.accepted_at)
        return Claimed(self.lease, kept, self.revision, tuple(events), self.resumed)


def lapsed(owner: bytes | str | None, expires: int, now: int) -> bool:
    """Whether nobody holds the lease any more; `owner` is encoded."""
    return owner is None or expires <= now or is_dead(_owner_decoder.decode(owner))


def title_of(event: Event) -> str:
    """The start of what the user said, on one line; empty for other events."""
    if not isinstance(event, UserSaid):
        return ""
    return short_title(" ".join(part.text for part in event.parts if isinstance(part, Text)))


def short_title(text: str) -> str:
    """The text on one line, cut to `TITLE_LENGTH`."""
    title = " ".join(text.split())
    return title if len(title) <= TITLE_LENGTH else title[: TITLE_LENGTH - 1].rstrip() + "…"
