"""What emonk asks of a database.

Every method is one transaction. SQLite, PostgreSQL and Firestore can each do all of them, and nothing
above this room knows which one it is.
"""

from asyncio import Future
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

import msgspec

from emonk.events import Event, InboxItem, Logged
from emonk.records import Lease, Owner, Reply, Session, SessionKey, UsageRow
from emonk.store.memory_protocol import MemoryStore
from emonk.store.record_protocol import Put, RecordStore
from emonk.store.usage_protocol import UsageStore

LEASE_SECONDS = 30.0
INBOX_LIMIT = 16
TITLE_LENGTH = 80


class Append(msgspec.Struct, frozen=True, gc=False):
    """Add events to the session's log. Needs the fence."""

    events: tuple[Event, ...]


class Finish(msgspec.Struct, frozen=True, gc=False):
    """Close the inbox item that opened the turn with its reply. Needs the fence.

    `token_count` is the estimated size of the context that the next turn starts from; None leaves it as it is.
    """

    reply: Reply
    token_count: int | None = None


class Bill(msgspec.Struct, frozen=True, gc=False):
    """Write usage rows with the same transaction; see `UsageStore.bill`."""

    rows: tuple[UsageRow, ...]


class Release(msgspec.Struct, frozen=True, gc=False):
    """Give the lease back. Needs the fence, and must be the last operation."""


Operation = Append | Put | Bill | Finish | Release
"""A `Put` in a commit belongs to the session that is committed, whatever its own `session` says."""


class Claimed(msgspec.Struct, frozen=True, gc=False):
    """The right to run one turn, and what it starts from.

    `events` is the latest summary, if there is one, and everything after its cutoff; the event of `item` is
    already among them. `resumed` says that an earlier owner began this turn and did not finish it.
    """

    lease: Lease
    item: InboxItem
    revision: int
    events: tuple[Logged, ...]
    resumed: bool = False


class Accepted(msgspec.Struct, frozen=True, gc=False):
    """What became of a message.

    `new`: durable in the inbox. `repeated`: its `message_id` was accepted before; `reply` is that one's
    reply once there is one. `full`: the inbox holds `INBOX_LIMIT` messages already; nothing was kept.
    """

    state: Literal["new", "repeated", "full"]
    reply: Reply | None = None
    claimed: Claimed | None = None


class SessionStore(Protocol):
    """Sessions, their logs and inboxes, and who may write to them.

    Every method raises `InfraError` when the database cannot serve and `ConfigError` when it cannot be used at all.
    Ids are any text, of any length. What is no text (half a character, U+D800 to U+DFFF) is `InvalidConfig`, and
    nothing of such a call is kept.
    """

    async def accept(self, item: InboxItem, *, owner: Owner | None = None) -> Accepted:
        """Put a message into its session's inbox, once per `message_id`; a session begins with its first one.

        With an `owner`, the session's turn is claimed in the same transaction if that is possible
        and the item is the one whose turn it is.
        """
        ...

    async def claim(self, session: SessionKey, owner: Owner) -> Claimed | None:
        """Take the lease and the oldest unfinished item of the inbox, and move its event into the log.

        None when nothing waits, or when a live owner holds the lease.
        """
        ...

    def commit(self, operations: Sequence[Operation], *, fence: Lease, expected_revision: int) -> "Future[int]":
        """Apply all operations or none; the session's new revision.

        The write is under way when this returns, and goes on whether or not somebody awaits the future.

        Raises:
            StaleSession: the fence is not the newest one, or the log is not at `expected_revision`.
            Conflict: a `Put` names a version that is not the present one.
            ValueError: the operations are in no order that has a meaning; see also `RecordStore.put`.
        """
        ...

    async def renew(self, lease: Lease) -> Lease:
        """Extend a lease that is still held by `LEASE_SECONDS` from now.

        Raises:
            StaleSession: somebody else holds it.
        """
        ...

    async def reply(self, session: SessionKey, message_id: str) -> Reply | None:
        """The reply to a message, or None while there is none."""
        ...

    async def due(self, agent: str, *, limit: int = 100) -> list[SessionKey]:
        """Sessions of the agent with an unfinished inbox item and no live owner, oldest item first."""
        ...

    async def read(self, session: SessionKey, *, after: int = 0, limit: int | None = None) -> list[Logged]:
        """The log in order, from the revision after `after`."""
        ...

    async def session(self, session: SessionKey) -> Session | None:
        """One session, or None."""
        ...

    async def sessions(
        self,
        *,
        agent: str | None = None,
        user_id: str | None = None,
        session_id: str | None = None,
        limit: int = 50,
        before: int | None = None,
    ) -> list[Session]:
        """Sessions, last active first; `before`, the `last_active` of the last one seen, pages on.

        A page holds more than `limit` when sessions were active in the very same microsecond, so that none is skipped.
        """
        ...

    async def create(
        self, session: SessionKey, *, user_id: str, title: str = "", metadata: Mapping[str, Any] | None = None
    ) -> Session:
        """Begin a session before its first message.

        Raises:
            Conflict: it is there already.
            InvalidConfig: the metadata is no JSON, or longer than `METADATA_BYTES`.
        """
        ...

    async def describe(
        self, session: SessionKey, *, title: str | None = None, metadata: Mapping[str, Any] | None = None
    ) -> Session | None:
        """Change the title or the metadata, whichever is given; None for an unknown session.

        It needs no lease, and does not count as activity. A title is cut to `TITLE_LENGTH`, on one line.

        Raises:
            InvalidConfig: the metadata is no JSON, or longer than `METADATA_BYTES`.
        """
        ...

    async def delete(self, session: SessionKey, *, idle_since: int | None = None) -> bool:
        """Remove a session, its log, its inbox and its records; False when there is none.

        With `idle_since` only if it was not active after that time and nothing waits in its inbox; False otherwise.
        Usage rows stay. A session that begins anew under the same key grants higher fences than this one did.

        Raises:
            Unavailable: code `session_busy`: a live owner holds its lease.
        """
        ...

    async def restore(self, session: Session, events: Sequence[Logged]) -> None:
        """Write an exported session with its whole log as it was, in one transaction; it has no open turn.

        Raises:
            Conflict: a session of that key is there already.
            ValueError: the revisions of the events are not 1, 2, 3, ... up to the session's.
        """
        ...


class Store(SessionStore, RecordStore, UsageStore, MemoryStore, Protocol):
    """All that emonk keeps, in one database."""

    async def aclose(self) -> None:
        """Finish what was handed over and let go of the database."""
        ...
