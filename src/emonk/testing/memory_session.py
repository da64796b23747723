"""One session of a `MemoryDatabase`: its log, its inbox and its lease."""

from collections.abc import Sequence

from emonk.clock import MICROSECONDS
from emonk.errors import StaleSession
from emonk.events import Event, InboxItem, Logged, Summarised, UserSaid, decode, encode
from emonk.messages import Text
from emonk.records import Lease, Owner, Reply, Session, SessionKey
from emonk.store.owners import is_dead
from emonk.store.protocol import LEASE_SECONDS, Append, Claimed, Finish, Operation, Release

_LEASE = int(LEASE_SECONDS * MICROSECONDS)
_TITLE_LENGTH = 80


class Item:
    """A message: `order` is its place among all messages, `revision` its place in the log once its turn began."""

    def __init__(self, order: int, item: InboxItem) -> None:
        self.order = order
        self.item = item
        self.revision: int | None = None
        self.reply: Reply | None = None


class MemorySession:
    """A session as `Store` describes it. Times are UTC microseconds."""

    def __init__(self, key: SessionKey, number: int, now: int) -> None:
        self.key = key
        self.number = number
        self.created_at = self.last_active = now
        self.log: list[Logged] = []
        self.items: dict[str, Item] = {}
        self.participants: dict[str, None] = {}
        self.owner: Owner | None = None
        self.fence = 0
        self._expires = 0
        self._cutoff = 0
        self._title = ""
        self._unfinished: dict[str, Item] = {}

    @property
    def next(self) -> Item | None:
        """The oldest message without a reply."""
        return next(iter(self._unfinished.values()), None)

    @property
    def waiting(self) -> int:
        """Messages whose turn has not begun."""
        return sum(item.revision is None for item in self._unfinished.values())

    def add(self, order: int, item: InboxItem, now: int) -> Item:
        """Accept a message."""
        kept = InboxItem(item.session, item.message_id, item.user_id, _copy(item.event), now)
        self.participants[item.user_id] = None
        added = self.items[item.message_id] = self._unfinished[item.message_id] = Item(order, kept)
        return added

    def claim(self, owner: Owner, now: int) -> Claimed | None:
        """Give the owner the next turn, if there is one to give."""
        item = self.next
        if item is None or not self._lapsed(now):
            return None
        resumed = item.revision is not None
        if item.revision is None:
            self._append((item.item.event,), now)
            item.revision = len(self.log)
            self._title = self._title or _title(item.item.event)
        self.owner, self.fence, self._expires, self.last_active = owner, self.fence + 1, now + _LEASE, now
        lease = Lease(self.key, owner, self.fence, self._expires)
        return Claimed(lease, item.item, len(self.log), tuple(self.log[self._cutoff :]), resumed)

    def commit(self, operations: Sequence[Operation], fence: Lease, expected_revision: int, now: int) -> int:
        """Apply all operations or none.

        Raises:
            StaleSession: the fence or the revision is not the newest one.
            ValueError: the operations are in no order that has a meaning.
        """
        events, reply, release = _sorted_out(operations)
        self._check_held(fence)
        if expected_revision != len(self.log):
            raise StaleSession(f"Session {self._name} is at revision {len(self.log)}, not {expected_revision}")
        if reply is not None:
            item = self._unfinished.get(reply.message_id)
            if item is None or item.revision is None:
                raise StaleSession(f"Message {reply.message_id} of session {self._name} is not being answered")
            item.reply = reply
            del self._unfinished[reply.message_id]
            self.last_active = now
        self._append(events, now)
        for event in events:
            if isinstance(event, Summarised):
                self._cutoff = min(event.cutoff, len(self.log) - 1)
        if release:
            self.owner = None
        return len(self.log)

    def renew(self, lease: Lease, now: int) -> Lease:
        """Extend a lease.

        Raises:
            StaleSession: it is not held any more.
        """
        self._check_held(lease)
        self._expires = now + _LEASE
        return Lease(lease.session, lease.owner, lease.fence, self._expires)

    def give_back(self, lease: Lease) -> None:
        """End a lease that was granted to nobody."""
        if (self.owner, self.fence) == (lease.owner, lease.fence):
            self.owner = None

    def is_due(self, now: int) -> bool:
        """A turn could be claimed."""
        return self.next is not None and self._lapsed(now)

    def info(self) -> Session:
        """As it stands in a listing."""
        begun = sum(item.revision is not None for item in self.items.values())
        participants = tuple(self.participants)
        return Session(
            agent=self.key.agent,
            session_id=self.key.session_id,
            user_id=participants[0] if participants else "",
            participants=participants,
            created_at=self.created_at,
            last_active=self.last_active,
            revision=len(self.log),
            message_count=begun,
            title=self._title,
            context_compressed=self._cutoff > 0,
        )

    @property
    def _name(self) -> str:
        return self.key.session_id

    def _append(self, events: Sequence[Event], now: int) -> None:
        self.log += [Logged(revision, now, event) for revision, event in enumerate(events, len(self.log) + 1)]

    def _check_held(self, lease: Lease) -> None:
        if self.owner is None or self.fence != lease.fence:
            raise StaleSession(f"Session {self._name} is not held any more", hint="another writer took it over")

    def _lapsed(self, now: int) -> bool:
        return self.owner is None or self._expires <= now or is_dead(self.owner)


def _sorted_out(operations: Sequence[Operation]) -> tuple[list[Event], Reply | None, bool]:
    """The events, the reply, and whether the lease is given back."""
    events: list[Event] = []
    reply: Reply | None = None
    release = False
    for operation in operations:
        if release:
            raise ValueError("Release must be the last operation")
        match operation:
            case Append():
                events += map(_copy, operation.events)
            case Finish():
                if reply is not None:
                    raise ValueError("A commit finishes one turn")
                reply = operation.reply
            case Release():
                release = True
    return events, reply, release


def _copy(event: Event) -> Event:
    """As it would come back from a disk; what cannot be written there fails here too."""
    return decode(encode(event))


def _title(event: Event) -> str:
    if not isinstance(event, UserSaid):
        return ""
    title = " ".join(" ".join(part.text for part in event.parts if isinstance(part, Text)).split())
    return title if len(title) <= _TITLE_LENGTH else title[: _TITLE_LENGTH - 1].rstrip() + "…"
