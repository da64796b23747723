"""What emonk asks of a database.

Every method is one transaction. SQLite, PostgreSQL and Firestore can each do all of them, and nothing
above this room knows which one it is.
"""

from asyncio import Future
from collections.abc import Sequence
from typing import Literal, Protocol

import msgspec

from emonk.events import Event, InboxItem, Logged
from emonk.records import Lease, Owner, Reply, SessionKey

LEASE_SECONDS = 30.0
INBOX_LIMIT = 16


class Append(msgspec.Struct, frozen=True):
    """Add events to the session's log. Needs the fence."""

    events: tuple[Event, ...]


class Finish(msgspec.Struct, frozen=True):
    """Close the inbox item that opened the turn with its reply. Needs the fence."""

    reply: Reply


class Release(msgspec.Struct, frozen=True):
    """Give the lease back. Needs the fence, and must be the last operation."""


Operation = Append | Finish | Release


class Claimed(msgspec.Struct, frozen=True):
    """The right to run one turn, and what it starts from.

    `events` is the latest summary, if there is one, and everything after its cutoff; the event of `item` is
    already among them. `resumed` says that an earlier owner began this turn and did not finish it.
    """

    lease: Lease
    item: InboxItem
    revision: int
    events: tuple[Logged, ...]
    resumed: bool = False


class Accepted(msgspec.Struct, frozen=True):
    """What became of a message.

    `new`: durable in the inbox. `repeated`: its `message_id` was accepted before; `reply` is that one's
    reply once there is one. `full`: the inbox holds `INBOX_LIMIT` messages already; nothing was kept.
    """

    state: Literal["new", "repeated", "full"]
    reply: Reply | None = None
    claimed: Claimed | None = None


class SessionInfo(msgspec.Struct, frozen=True):
    """A session in a listing. Times are UTC microseconds; `title` is the start of its first message."""

    session: SessionKey
    created_at: int
    last_active: int
    revision: int
    message_count: int
    participants: tuple[str, ...]
    title: str = ""


class Store(Protocol):
    """Sessions, their logs and inboxes, and who may write to them.

    Every method raises `InfraError` when the database cannot serve and `ConfigError` when it cannot be used at all.
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

    async def session(self, session: SessionKey) -> SessionInfo | None:
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
    ) -> list[SessionInfo]:
        """Sessions, last active first; `before`, the `last_active` of the last one seen, pages on.

        A page holds more than `limit` when sessions were active in the very same microsecond, so that none is skipped.
        """
        ...

    async def aclose(self) -> None:
        """Finish what was handed over and let go of the database."""
        ...
