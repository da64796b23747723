"""A store in memory: for tests and simulations, on whichever clock they run.

It forgets everything with the process, so no agent can be configured to use it; a test hands it in.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

from emonk.clock import Clock, timestamp
from emonk.errors import EmonkError, StaleSession, Unavailable
from emonk.events import InboxItem, Logged
from emonk.records import Lease, Owner, Reply, Session, SessionKey
from emonk.store.protocol import INBOX_LIMIT, Accepted, Claimed, Operation
from emonk.testing.memory_session import Item, MemorySession

T = TypeVar("T")


class MemoryDatabase:
    """What the stores that `open` gives have in common.

    Attributes:
        sessions: everything that is kept, for a test to look at.
    """

    def __init__(self, clock: Clock, *, latency: Callable[[], float] | None = None) -> None:
        """Begin empty.

        Args:
            clock: the time of leases and events.
            latency: gives the seconds of the running event loop after which a call is answered. It has acted by then.
                Without it every call is answered at once.
        """
        self.clock = clock
        self.latency = latency
        self.sessions: dict[SessionKey, MemorySession] = {}
        self._accepted = 0

    def open(self) -> "MemoryStore":
        """One more holder of the database."""
        return MemoryStore(self)

    def add(self, item: InboxItem, now: int) -> Item | None:
        """Put a message that is not there yet into its inbox; None when that is full."""
        session = self.sessions.get(item.session)
        if session is None:
            session = self.sessions[item.session] = MemorySession(item.session, len(self.sessions), now)
        if session.waiting >= INBOX_LIMIT:
            return None
        self._accepted += 1
        return session.add(self._accepted, item, now)


class MemoryStore:
    """A `Store` on a `MemoryDatabase`."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database
        self._closed = False

    async def accept(self, item: InboxItem, *, owner: Owner | None = None) -> Accepted:
        now = self._now()
        session = self._database.sessions.get(item.session)
        known = session.items.get(item.message_id) if session else None
        kept = known or self._database.add(item, now)
        if kept is None:
            return await self._answer(Accepted("full"))
        state = "repeated" if known else "new"
        session = self._database.sessions[item.session]
        claimed = session.claim(owner, now) if owner is not None and session.next is kept else None
        return await self._granted(Accepted(state, kept.reply, claimed), claimed)

    async def claim(self, session: SessionKey, owner: Owner) -> Claimed | None:
        now = self._now()
        found = self._database.sessions.get(session)
        claimed = found.claim(owner, now) if found else None
        return await self._granted(claimed, claimed)

    def commit(self, operations: Sequence[Operation], *, fence: Lease, expected_revision: int) -> asyncio.Future[int]:
        now = self._now()
        try:
            revision = self._held(fence).commit(operations, fence, expected_revision, now)
        except EmonkError as error:
            return self._answer(error)
        return self._answer(revision)

    async def renew(self, lease: Lease) -> Lease:
        now = self._now()
        try:
            renewed = self._held(lease).renew(lease, now)
        except EmonkError as error:
            return await self._answer(error)
        return await self._answer(renewed)

    async def reply(self, session: SessionKey, message_id: str) -> Reply | None:
        self._now()
        found = self._database.sessions.get(session)
        item = found.items.get(message_id) if found else None
        return await self._answer(item.reply if item else None)

    async def due(self, agent: str, *, limit: int = 100) -> list[SessionKey]:
        now = self._now()
        sessions = [one for key, one in self._database.sessions.items() if key.agent == agent and one.is_due(now)]
        sessions.sort(key=lambda one: one.next.order if one.next else 0)
        return await self._answer([one.key for one in sessions[:limit]])

    async def read(self, session: SessionKey, *, after: int = 0, limit: int | None = None) -> list[Logged]:
        self._now()
        found = self._database.sessions.get(session)
        log = found.log[after:] if found else []
        return await self._answer(log if limit is None else log[:limit])

    async def session(self, session: SessionKey) -> Session | None:
        self._now()
        found = self._database.sessions.get(session)
        return await self._answer(found.info() if found else None)

    async def sessions(
        self,
        *,
        agent: str | None = None,
        user_id: str | None = None,
        session_id: str | None = None,
        limit: int = 50,
        before: int | None = None,
    ) -> list[Session]:
        self._now()
        found = [
            one
            for key, one in self._database.sessions.items()
            if (agent is None or key.agent == agent)
            and (session_id is None or key.session_id == session_id)
            and (user_id is None or user_id in one.participants)
            and (before is None or one.last_active < before)
        ]
        found.sort(key=lambda one: (-one.last_active, -one.number))
        page = found[:limit]
        last = page[-1:] or found[:1]
        page += [one for one in found[limit:] if last and one.last_active == last[0].last_active]
        return await self._answer([one.info() for one in page])

    async def aclose(self) -> None:
        self._closed = True

    def _now(self) -> int:
        if self._closed:
            raise Unavailable("The store is closed", code="store_closed")
        return timestamp(self._database.clock)

    def _held(self, lease: Lease) -> MemorySession:
        session = self._database.sessions.get(lease.session)
        if session is None:
            raise StaleSession(f"Session {lease.session.session_id} is not held any more")
        return session

    async def _granted(self, answer: T, claimed: Claimed | None) -> T:
        """A caller that was cancelled meanwhile cannot use its lease, so it is given back at once."""
        try:
            return await self._answer(answer)
        except asyncio.CancelledError:
            if claimed is not None:
                self._database.sessions[claimed.item.session].give_back(claimed.lease)
            raise

    def _answer(self, answer: "T | EmonkError") -> "asyncio.Future[T]":
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        if self._database.latency is None:
            _settle(future, answer)
        else:
            loop.call_later(self._database.latency(), _settle, future, answer)
        return future


def _settle(future: "asyncio.Future[T]", answer: "T | EmonkError") -> None:
    if future.done():
        return
    if isinstance(answer, EmonkError):
        future.set_exception(answer)
    else:
        future.set_result(answer)
