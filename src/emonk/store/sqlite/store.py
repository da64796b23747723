"""The store on one SQLite file: what a machine needs that has nothing else."""

import asyncio
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from emonk.clock import timestamp
from emonk.events import InboxItem, Logged
from emonk.records import Lease, Owner, Reply, Session, SessionKey
from emonk.store.change import change, decoded, encoded
from emonk.store.claiming import claimed, unless_cancelled
from emonk.store.grant import Granted, short_title
from emonk.store.limits import encoded_metadata
from emonk.store.protocol import Accepted, Claimed, Operation
from emonk.store.sqlite import inbox, listing, log, sessions
from emonk.store.sqlite.keeping import SqliteMemories, SqliteRecords, SqliteUsage
from emonk.store.whole import new, restored


class SqliteStore(SqliteRecords, SqliteUsage, SqliteMemories):
    """A holder's view of a `SqliteFile`; `closing` says whether it was the last holder."""

    async def accept(self, item: InboxItem, *, owner: Owner | None = None) -> Accepted:
        data, clock = encoded(item.event), self._clock
        granted: list[Lease] = []

        def work(connection: sqlite3.Connection) -> tuple[Accepted, Granted | None]:
            accepted, grant = inbox.accept(connection, item, data, owner, timestamp(clock))
            granted[:] = [grant.lease] if grant else []
            return accepted, grant

        accepted, grant = await unless_cancelled(self._write(work), granted, self._release)
        if grant is None:
            return accepted
        said = item.event if accepted.state == "new" and grant.revision == 1 else None
        return Accepted(accepted.state, claimed=claimed(grant, self._release, said))

    async def claim(self, session: SessionKey, owner: Owner) -> Claimed | None:
        clock = self._clock
        granted: list[Lease] = []

        def work(connection: sqlite3.Connection) -> Granted | None:
            grant = inbox.claim(connection, session, owner, timestamp(clock))
            granted[:] = [grant.lease] if grant else []
            return grant

        grant = await unless_cancelled(self._write(work), granted, self._release)
        return None if grant is None else claimed(grant, self._release)

    def commit(self, operations: Sequence[Operation], *, fence: Lease, expected_revision: int) -> asyncio.Future[int]:
        made, clock = change(operations, expected_revision), self._clock
        return self._write(lambda connection: log.commit(connection, made, fence, expected_revision, timestamp(clock)))

    async def renew(self, lease: Lease) -> Lease:
        clock = self._clock
        return await self._write(lambda connection: log.renew(connection, lease, timestamp(clock)))

    async def reply(self, session: SessionKey, message_id: str) -> Reply | None:
        return await self._read(lambda connection: inbox.reply(connection, session, message_id))

    async def due(self, agent: str, *, limit: int = 100) -> list[SessionKey]:
        clock = self._clock
        return await self._read(lambda connection: inbox.due(connection, agent, limit, timestamp(clock)))

    async def read(self, session: SessionKey, *, after: int = 0, limit: int | None = None) -> list[Logged]:
        def work(connection: sqlite3.Connection) -> list[Logged]:
            row = log.find(connection, session)
            return [] if row is None else decoded(session, log.read(connection, row, after, limit))

        return await self._read(work)

    async def session(self, session: SessionKey) -> Session | None:
        return await self._read(lambda connection: listing.session(connection, session))

    async def sessions(
        self,
        *,
        agent: str | None = None,
        user_id: str | None = None,
        session_id: str | None = None,
        limit: int = 50,
        before: int | None = None,
    ) -> list[Session]:
        wanted = listing.Wanted(agent, user_id, session_id)
        return await self._read(lambda connection: listing.sessions(connection, wanted, limit, before))

    async def create(
        self, session: SessionKey, *, user_id: str, title: str = "", metadata: Mapping[str, Any] | None = None
    ) -> Session:
        whole, clock = new(session, user_id, title, metadata), self._clock
        return await self._write(lambda connection: sessions.insert(connection, whole, timestamp(clock)))

    async def describe(
        self, session: SessionKey, *, title: str | None = None, metadata: Mapping[str, Any] | None = None
    ) -> Session | None:
        name = None if title is None else short_title(title)
        kept = None if metadata is None else encoded_metadata(metadata)
        return await self._write(lambda connection: sessions.describe(connection, session, name, kept))

    async def delete(self, session: SessionKey, *, idle_since: int | None = None) -> bool:
        clock = self._clock
        return await self._write(lambda connection: sessions.delete(connection, session, idle_since, timestamp(clock)))

    async def restore(self, session: Session, events: Sequence[Logged]) -> None:
        whole, clock = restored(session, events), self._clock
        await self._write(lambda connection: sessions.insert(connection, whole, timestamp(clock)))

    def _release(self, granted: list[Lease]) -> asyncio.Future[None]:
        def work(connection: sqlite3.Connection) -> None:
            for lease in granted:
                log.release(connection, lease)

        return self._write(work)
