"""One session of a `MemoryDatabase`: its log, its inbox and its lease."""

from collections.abc import Callable, Sequence
from typing import Self

import msgspec

from emonk.clock import MICROSECONDS
from emonk.errors import StaleSession
from emonk.events import Event, InboxItem, Logged, decode
from emonk.records import Lease, Owner, Reply, Session, SessionKey
from emonk.store.change import Change, decoded, encoded
from emonk.store.grant import title_of
from emonk.store.limits import decoded_metadata
from emonk.store.owners import is_dead
from emonk.store.protocol import LEASE_SECONDS, Claimed
from emonk.store.whole import Whole

_LEASE = int(LEASE_SECONDS * MICROSECONDS)
_reply = msgspec.json.Decoder(Reply)


class Item:
    """A message: `order` is its place among all messages, `revision` its place in the log once its turn began."""

    def __init__(self, order: int, item: InboxItem) -> None:
        self.order = order
        self.item = item
        self.revision: int | None = None
        self.reply: Reply | None = None


class MemorySession:
    """A session as `Store` describes it. Times are UTC microseconds.

    Attributes:
        is_dead: whether who holds the lease is seen to be gone.
    """

    def __init__(self, key: SessionKey, number: int, now: int) -> None:
        self.key = key
        self.number = number
        self.created_at = self.last_active = self.fence = now
        self.log: list[Logged] = []
        self.items: dict[str, Item] = {}
        self.participants: dict[str, None] = {}
        self.owner: Owner | None = None
        self.title = ""
        self.metadata = b""
        self._message_count = 0
        self._token_count = 0
        self._expires = 0
        self._cutoff = 0
        self._unfinished: dict[str, Item] = {}
        self.is_dead: Callable[[Owner], bool] = is_dead

    @classmethod
    def written(cls, whole: Whole, number: int, now: int) -> Self:
        """A session that nobody holds."""
        info = whole.at(now)
        made = cls(info.key, number, now)
        made.created_at, made.last_active = info.created_at, info.last_active
        made.log = decoded(info.key, whole.events)
        made.participants = dict.fromkeys(info.participants)
        made.title, made.metadata = info.title, whole.metadata
        made._message_count, made._token_count = info.message_count, info.token_count
        made._cutoff = whole.cutoff
        return made

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
        if item is None or not self.lapsed(now):
            return None
        resumed = item.revision is not None
        if item.revision is None:
            self._append((item.item.event,), now)
            item.revision = len(self.log)
            self.title = self.title or title_of(item.item.event)
            self._message_count += 1
        self.owner, self.fence, self._expires, self.last_active = owner, self.fence + 1, now + _LEASE, now
        lease = Lease(self.key, owner, self.fence, self._expires)
        return Claimed(lease, item.item, len(self.log), tuple(self.log[self._cutoff :]), resumed)

    def check(self, made: Change, fence: Lease, expected_revision: int) -> None:
        """See that a change can be applied.

        Raises:
            StaleSession: the fence or the revision is not the newest one.
        """
        self._check_held(fence)
        if expected_revision != len(self.log):
            raise StaleSession(f"Session {self._name} is at revision {len(self.log)}, not {expected_revision}")
        item = self._unfinished.get(made.message_id)
        if made.reply is not None and (item is None or item.revision is None):
            raise StaleSession(f"Message {made.message_id} of session {self._name} is not being answered")

    def commit(self, made: Change, now: int) -> int:
        """Apply a change that was checked, but for its records and its bill."""
        if made.reply is not None:
            self._unfinished.pop(made.message_id).reply = _reply.decode(made.reply)
            self.last_active = now
        self._append([decode(data) for data in made.events], now)
        if made.cutoff is not None:
            self._cutoff = made.cutoff
        if made.token_count is not None:
            self._token_count = made.token_count
        if made.release:
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
        return self.next is not None and self.lapsed(now)

    def lapsed(self, now: int) -> bool:
        """Nobody holds the lease."""
        return self.owner is None or self._expires <= now or self.is_dead(self.owner)

    def info(self) -> Session:
        """As it stands in a listing."""
        participants = tuple(self.participants)
        return Session(
            agent=self.key.agent,
            session_id=self.key.session_id,
            user_id=participants[0] if participants else "",
            participants=participants,
            created_at=self.created_at,
            last_active=self.last_active,
            revision=len(self.log),
            message_count=self._message_count,
            title=self.title,
            token_count=self._token_count,
            context_compressed=self._cutoff > 0,
            metadata=decoded_metadata(self.metadata),
        )

    @property
    def _name(self) -> str:
        return self.key.session_id

    def _append(self, events: Sequence[Event], now: int) -> None:
        self.log += [Logged(revision, now, event) for revision, event in enumerate(events, len(self.log) + 1)]

    def _check_held(self, lease: Lease) -> None:
        if self.owner is None or self.fence != lease.fence:
            raise StaleSession(f"Session {self._name} is not held any more", hint="another writer took it over")


def _copy(event: Event) -> Event:
    """As it would come back from a disk; what cannot be written there fails here too."""
    return decode(encoded(event))
