"""The store on Firestore: what several machines share where no server is to be kept."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from emonk.events import InboxItem, Logged
from emonk.ids import uuid7
from emonk.records import Lease, Owner, Reply, Session, SessionKey
from emonk.store.change import change, decoded, encoded
from emonk.store.claiming import Release, claimed, unless_cancelled
from emonk.store.firestore import inbox, listing, log, sessions
from emonk.store.firestore.documents import Documents
from emonk.store.firestore.inbox import Asking
from emonk.store.firestore.keeping import FirestoreMemories, FirestoreRecords, FirestoreUsage
from emonk.store.firestore.log import Writing
from emonk.store.firestore.state import info
from emonk.store.grant import Granted, short_title
from emonk.store.limits import check_texts, encoded_metadata
from emonk.store.protocol import Accepted, Claimed, Operation
from emonk.store.whole import Whole, new, restored


class FirestoreStore(FirestoreRecords, FirestoreUsage, FirestoreMemories):
    """A holder's view of a `FirestoreDatabase`; `closing` says whether it was the last holder."""

    async def accept(self, item: InboxItem, *, owner: Owner | None = None) -> Accepted:
        check_texts(item.session.agent, item.session.session_id, item.message_id, item.user_id)
        data, asking = encoded(item.event), Asking(owner, uuid7())
        granted: list[Lease] = []

        async def work(documents: Documents, again: bool) -> tuple[Accepted, Granted | None]:
            accepted, grant = await inbox.accept(self._database, documents, item, data, asking, again=again)
            granted[:] = [grant.lease] if grant else []
            return accepted, grant

        release = self._release(item.session)
        accepted, grant = await unless_cancelled(self._write(item.session, work), granted, release)
        return accepted if grant is None else Accepted(accepted.state, claimed=claimed(grant, release))

    async def claim(self, session: SessionKey, owner: Owner) -> Claimed | None:
        asking = Asking(owner, uuid7())
        granted: list[Lease] = []

        async def work(documents: Documents, _again: bool) -> Granted | None:
            grant = await inbox.claim(self._database, documents, session, asking)
            granted[:] = [grant.lease] if grant else []
            return grant

        release = self._release(session)
        grant = await unless_cancelled(self._write(session, work), granted, release)
        return None if grant is None else claimed(grant, release)

    def commit(self, operations: Sequence[Operation], *, fence: Lease, expected_revision: int) -> asyncio.Future[int]:
        writing = Writing(change(operations, expected_revision), fence, expected_revision, uuid7())

        async def work(documents: Documents, again: bool) -> int:
            return await log.commit(self._database, documents, writing, again=again)

        return self._write(fence.session, work)

    async def renew(self, lease: Lease) -> Lease:
        async def work(documents: Documents, again: bool) -> Lease:
            return await log.renew(self._database, documents, lease, again=again)

        return await self._write(lease.session, work)

    async def reply(self, session: SessionKey, message_id: str) -> Reply | None:
        return await self._run(lambda documents, _: inbox.reply(self._database, documents, session, message_id))

    async def due(self, agent: str, *, limit: int = 100) -> list[SessionKey]:
        if self._database.is_time_to_tidy():
            self._run(lambda documents, _: sessions.finish_removals(documents)).add_done_callback(_ignore_error)
        return await self._run(lambda documents, _: inbox.due(self._database, documents, agent, limit))

    async def read(self, session: SessionKey, *, after: int = 0, limit: int | None = None) -> list[Logged]:
        rows = await self._run(lambda documents, _: log.read_session(self._database, documents, session, after, limit))
        return decoded(session, rows)

    async def session(self, session: SessionKey) -> Session | None:
        found = await self._run(lambda documents, _: self._database.find(documents, session))
        return None if found is None else info(found.state)

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
        return await self._run(lambda documents, _: listing.sessions(documents, wanted, limit, before))

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

        async def work(documents: Documents, _again: bool) -> Session | None:
            return await sessions.describe(self._database, documents, session, name, kept)

        return await self._write(session, work)

    async def delete(self, session: SessionKey, *, idle_since: int | None = None) -> bool:
        removal = uuid7()

        async def work(documents: Documents, again: bool) -> bool:
            return await sessions.delete(self._database, documents, session, idle_since, removal, again=again)

        return await self._write(session, work)

    async def restore(self, session: Session, events: Sequence[Logged]) -> None:
        await self._insert(restored(session, events))

    def _insert(self, whole: Whole) -> asyncio.Future[Session]:
        attempt = uuid7()

        async def work(documents: Documents, again: bool) -> Session:
            return await sessions.insert(self._database, documents, whole, attempt, again=again)

        return self._write(whole.session.key, work)

    def _release(self, session: SessionKey) -> Release:
        """In the order of the session's jobs."""

        def release(granted: list[Lease]) -> asyncio.Future[None]:
            async def work(documents: Documents, _again: bool) -> None:
                for lease in granted:
                    await log.release(self._database, documents, lease)

            return self._write(session, work)

        return release


def _ignore_error(answer: asyncio.Future[None]) -> None:
    """Nobody waits for it: what was not tidied up waits for the next time."""
    if not answer.cancelled():
        answer.exception()
