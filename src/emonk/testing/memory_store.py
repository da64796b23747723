"""A store in memory: for tests and simulations, on whichever clock they run.

It forgets everything with the process, so no agent can be configured to use it; a test hands it in.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from emonk.clock import Clock, timestamp
from emonk.errors import Conflict, EmonkError, StaleSession, Unavailable
from emonk.events import InboxItem, Logged
from emonk.records import Lease, Memory, Owner, Record, Reply, Session, SessionKey, UsageRow
from emonk.store.bill import check_asked, distinct
from emonk.store.change import change
from emonk.store.grant import short_title
from emonk.store.limits import check_memory, check_texts, checked_puts, encoded_metadata
from emonk.store.memory_protocol import MemoryScope
from emonk.store.owners import is_dead
from emonk.store.protocol import INBOX_LIMIT, Accepted, Claimed, Operation
from emonk.store.record_protocol import Put
from emonk.store.refusals import busy, exists
from emonk.store.usage_protocol import UsageFilter, UsageGroup, UsageTotal
from emonk.store.whole import Whole, new, restored
from emonk.testing.memory_records import MemoryMemories, MemoryRecords, MemoryUsage
from emonk.testing.memory_session import Item, MemorySession

T = TypeVar("T")


class MemoryDatabase:
    """What the stores that `open` gives have in common.

    Attributes:
        sessions: everything that is kept, for a test to look at.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        latency: Callable[[], float] | None = None,
        dead: Callable[[Owner], bool] = is_dead,
    ) -> None:
        """Begin empty.

        Args:
            clock: the time of leases and events.
            latency: gives the seconds of the running event loop after which a call is answered. It has acted by then.
                Without it every call is answered at once.
            dead: whether who holds a lease is seen to be gone.
        """
        self.clock = clock
        self.latency = latency
        self.sessions: dict[SessionKey, MemorySession] = {}
        self.records = MemoryRecords()
        self.usage = MemoryUsage()
        self.memories = MemoryMemories()
        self._dead = dead
        self._accepted = 0
        self._begun = 0

    def open(self) -> "MemoryStore":
        """One more holder of the database."""
        return MemoryStore(self)

    def add(self, item: InboxItem, now: int) -> Item | None:
        """Put a message that is not there yet into its inbox; None when that is full."""
        session = self.sessions.get(item.session)
        if session is None:
            session = self.keep(MemorySession(item.session, self.number(), now))
        if session.waiting >= INBOX_LIMIT:
            return None
        self._accepted += 1
        return session.add(self._accepted, item, now)

    def keep(self, session: MemorySession) -> MemorySession:
        """A new session."""
        session.is_dead = self._dead
        self.sessions[session.key] = session
        return session

    def number(self) -> int:
        """Of the next session that begins."""
        self._begun += 1
        return self._begun


class MemoryStore:
    """A `Store` on a `MemoryDatabase`."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database
        self._closed = False

    async def accept(self, item: InboxItem, *, owner: Owner | None = None) -> Accepted:
        now = self._now()
        check_texts(item.session.agent, item.session.session_id, item.message_id, item.user_id)
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
        found = self._found(session)
        claimed = found.claim(owner, now) if found else None
        return await self._granted(claimed, claimed)

    def commit(self, operations: Sequence[Operation], *, fence: Lease, expected_revision: int) -> asyncio.Future[int]:
        now = self._now()
        made = change(operations, expected_revision)
        puts = tuple(msgspec.structs.replace(put, session=fence.session) for put in made.puts)
        try:
            session = self._held(fence)
            session.check(made, fence, expected_revision)
            self._database.records.check(puts)
        except EmonkError as error:
            return self._answer(error)
        self._database.records.put(puts, now)
        self._database.usage.bill(made.rows)
        return self._answer(session.commit(made, now))

    async def renew(self, lease: Lease) -> Lease:
        now = self._now()
        try:
            renewed = self._held(lease).renew(lease, now)
        except EmonkError as error:
            return await self._answer(error)
        return await self._answer(renewed)

    async def reply(self, session: SessionKey, message_id: str) -> Reply | None:
        self._now()
        found = self._found(session)
        item = found.items.get(message_id) if found else None
        return await self._answer(item.reply if item else None)

    async def due(self, agent: str, *, limit: int = 100) -> list[SessionKey]:
        now = self._now()
        sessions = [one for key, one in self._database.sessions.items() if key.agent == agent and one.is_due(now)]
        sessions.sort(key=lambda one: one.next.order if one.next else 0)
        return await self._answer([one.key for one in sessions[:limit]])

    async def read(self, session: SessionKey, *, after: int = 0, limit: int | None = None) -> list[Logged]:
        self._now()
        found = self._found(session)
        log = found.log[after:] if found else []
        return await self._answer(log if limit is None else log[:limit])

    async def session(self, session: SessionKey) -> Session | None:
        self._now()
        found = self._found(session)
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
        check_texts(agent or "", user_id or "", session_id or "")
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

    async def create(
        self, session: SessionKey, *, user_id: str, title: str = "", metadata: Mapping[str, Any] | None = None
    ) -> Session:
        return await self._write_whole(new(session, user_id, title, metadata))

    async def describe(
        self, session: SessionKey, *, title: str | None = None, metadata: Mapping[str, Any] | None = None
    ) -> Session | None:
        self._now()
        data = encoded_metadata(metadata)
        check_texts(title or "")
        found = self._found(session)
        if found is not None:
            found.title = found.title if title is None else short_title(title)
            found.metadata = found.metadata if metadata is None else data
        return await self._answer(found.info() if found else None)

    async def delete(self, session: SessionKey, *, idle_since: int | None = None) -> bool:
        now, found = self._now(), self._found(session)
        if found is None or (idle_since is not None and (found.last_active > idle_since or found.next)):
            return await self._answer(False)
        if not found.lapsed(now):
            return await self._answer(busy(session))
        del self._database.sessions[session]
        self._database.records.remove_session(session)
        return await self._answer(True)

    async def restore(self, session: Session, events: Sequence[Logged]) -> None:
        await self._write_whole(restored(session, events))

    async def record(self, namespace: str, key: str) -> Record | None:
        self._now()
        check_texts(namespace, key)
        return await self._answer(self._database.records.get(namespace, key))

    async def put(self, puts: Sequence[Put]) -> list[Record]:
        now, checked = self._now(), checked_puts(puts)
        try:
            self._database.records.check(checked)
        except Conflict as error:
            return await self._answer(error)
        return await self._answer(self._database.records.put(checked, now))

    async def remove(self, namespace: str, key: str, *, expected_version: int) -> None:
        self._now()
        check_texts(namespace, key)
        try:
            self._database.records.remove(namespace, key, expected_version)
        except Conflict as error:
            return await self._answer(error)
        return await self._answer(None)

    async def records(
        self,
        namespace: str,
        *,
        prefix: str = "",
        session: SessionKey | None = None,
        state: str | None = None,
        after: str = "",
        limit: int = 100,
    ) -> list[Record]:
        self._now()
        check_texts(namespace, prefix, after, state or "", *msgspec.structs.astuple(session or SessionKey("", "")))

        def wanted(record: Record) -> bool:
            fits = record.key > after and record.key.startswith(prefix)
            return fits and session in {None, record.session} and state in {None, record.state}

        return await self._answer(self._database.records.list(namespace, wanted, limit))

    async def due_records(self, namespace: str, *, limit: int = 100) -> list[Record]:
        now = self._now()
        check_texts(namespace)
        return await self._answer(self._database.records.due(namespace, now, limit))

    def bill(self, rows: Sequence[UsageRow]) -> asyncio.Future[None]:
        self._now()
        self._database.usage.bill(distinct(rows))
        return self._answer(None)

    async def usage_rows(self, wanted: UsageFilter, *, limit: int = 100, before: str | None = None) -> list[UsageRow]:
        self._now()
        check_asked(wanted, before=before)
        return await self._answer(self._database.usage.rows(wanted, limit, before))

    async def usage_totals(self, wanted: UsageFilter, *, by: Sequence[UsageGroup] = ()) -> list[UsageTotal]:
        self._now()
        check_asked(wanted, by)
        return await self._answer(self._database.usage.totals(wanted, by))

    async def remember(self, scope: MemoryScope, key: str, text: str) -> Memory:
        now = self._now()
        check_texts(scope.agent, scope.user_id)
        check_memory(key, text)
        return await self._answer(self._database.memories.remember(scope, key, text, now))

    async def recall(self, scope: MemoryScope, key: str) -> Memory | None:
        self._now()
        check_texts(scope.agent, scope.user_id, key)
        return await self._answer(self._database.memories.recall(scope, key))

    async def search_memory(self, scope: MemoryScope, query: str, *, limit: int = 10) -> list[Memory]:
        self._now()
        check_texts(scope.agent, scope.user_id)
        return await self._answer(self._database.memories.search(scope, query, limit))

    async def memories(self, scope: MemoryScope, *, after: str = "", limit: int = 100) -> list[Memory]:
        self._now()
        check_texts(scope.agent, scope.user_id, after)
        return await self._answer(self._database.memories.list(scope, after, limit))

    async def forget(self, scope: MemoryScope, key: str) -> bool:
        self._now()
        check_texts(scope.agent, scope.user_id, key)
        return await self._answer(self._database.memories.forget(scope, key))

    async def aclose(self) -> None:
        self._closed = True

    def _now(self) -> int:
        if self._closed:
            raise Unavailable("The store is closed", code="store_closed")
        return timestamp(self._database.clock)

    async def _write_whole(self, whole: Whole) -> Session:
        now, key = self._now(), whole.session.key
        if key in self._database.sessions:
            return await self._answer(exists(key))
        made = self._database.keep(MemorySession.written(whole, self._database.number(), now))
        return await self._answer(made.info())

    def _found(self, session: SessionKey) -> MemorySession | None:
        check_texts(session.agent, session.session_id)
        return self._database.sessions.get(session)

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
