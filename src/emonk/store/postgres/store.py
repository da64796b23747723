"""The store on a PostgreSQL database: what several machines share."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from typing import Any

from emonk.events import InboxItem, Logged
from emonk.records import Lease, Owner, Reply, Session, SessionKey
from emonk.store.change import change, decoded, encoded
from emonk.store.claiming import Release, claimed, unless_cancelled
from emonk.store.grant import Granted, short_title
from emonk.store.limits import check_texts, encoded_metadata
from emonk.store.postgres import inbox, listing, log, sessions
from emonk.store.postgres.connection import Connection
from emonk.store.postgres.inbox import Asking
from emonk.store.postgres.keeping import PostgresMemories, PostgresRecords, PostgresUsage
from emonk.store.protocol import Accepted, Claimed, Operation
from emonk.store.whole import Whole, new, restored


class PostgresStore(PostgresRecords, PostgresUsage, PostgresMemories):
    """A holder's view of a `PostgresDatabase`; `closing` says whether it was the last holder."""

    async def accept(self, item: InboxItem, *, owner: Owner | None = None) -> Accepted:
        data, asking = encoded(item.event), self._asking(owner)
        granted: list[Lease] = []

        async def work(connection: Connection, _again: bool) -> tuple[Accepted, Granted | None]:
            accepted, grant = await inbox.accept(connection, item, data, asking)
            granted[:] = [grant.lease] if grant else []
            return accepted, grant

        release = self._release(item.session)
        accepted, grant = await unless_cancelled(self._write(item.session, work), granted, release)
        return accepted if grant is None else Accepted(accepted.state, claimed=claimed(grant, release))

    async def claim(self, session: SessionKey, owner: Owner) -> Claimed | None:
        asking = self._asking(owner)
        granted: list[Lease] = []

        async def work(connection: Connection, _again: bool) -> Granted | None:
            grant = await inbox.claim(connection, session, asking)
            granted[:] = [grant.lease] if grant else []
            return grant

        release = self._release(session)
        grant = await unless_cancelled(self._write(session, work), granted, release)
        return None if grant is None else claimed(grant, release)

    def commit(self, operations: Sequence[Operation], *, fence: Lease, expected_revision: int) -> asyncio.Future[int]:
        made = change(operations, expected_revision)
        attempt = os.urandom(16) if made.puts else b""
        writing = log.Writing(fence, expected_revision, attempt, self._database.now())

        async def work(connection: Connection, again: bool) -> int:
            return await log.commit(connection, made, writing, again=again)

        return self._write(fence.session, work)

    async def renew(self, lease: Lease) -> Lease:
        now = self._database.now()
        return await self._write(lease.session, lambda connection, _: log.renew(connection, lease, now))

    async def reply(self, session: SessionKey, message_id: str) -> Reply | None:
        return await self._read(lambda connection: inbox.reply(connection, session, message_id))

    async def due(self, agent: str, *, limit: int = 100) -> list[SessionKey]:
        check_texts(agent)
        now = self._database.now()
        return await self._read(lambda connection: inbox.due(connection, agent, limit, now))

    async def read(self, session: SessionKey, *, after: int = 0, limit: int | None = None) -> list[Logged]:
        rows = await self._read(lambda connection: log.read_session(connection, session, after, limit))
        return decoded(session, rows)

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
        check_texts(agent or "", session_id or "")
        wanted = listing.Wanted(agent, user_id, session_id)
        return await self._read(lambda connection: listing.sessions(connection, wanted, limit, before))

    async def create(
        self, session: SessionKey, *, user_id: str, title: str = "", metadata: Mapping[str, Any] | None = None
    ) -> Session:
        return await self._insert(new(session, user_id, title, metadata))

    async def describe(
        self, session: SessionKey, *, title: str | None = None, metadata: Mapping[str, Any] | None = None
    ) -> Session | None:
        check_texts(title or "")
        name = None if title is None else short_title(title)
        kept = None if metadata is None else encoded_metadata(metadata)
        return await self._write(session, lambda connection, _: sessions.describe(connection, session, name, kept))

    async def delete(self, session: SessionKey, *, idle_since: int | None = None) -> bool:
        asked = sessions.Deletion(session, idle_since, self._database.now(), [])
        return await self._write(session, lambda connection, _: sessions.delete(connection, asked))

    async def restore(self, session: Session, events: Sequence[Logged]) -> None:
        await self._insert(restored(session, events))

    async def _insert(self, whole: Whole) -> Session:
        attempt, now = os.urandom(16), self._database.now()

        async def work(connection: Connection, again: bool) -> Session:
            return await sessions.insert(connection, whole, attempt, now, again=again)

        return await self._write(whole.session.key, work)

    def _asking(self, owner: Owner | None) -> Asking:
        return Asking(owner, os.urandom(16), self._database.now())

    def _release(self, session: SessionKey) -> Release:
        """In the order of the session's jobs."""

        def release(granted: list[Lease]) -> asyncio.Future[None]:
            async def work(connection: Connection, _again: bool) -> None:
                for lease in granted:
                    await log.release(connection, lease)

            return self._write(session, work)

        return release
