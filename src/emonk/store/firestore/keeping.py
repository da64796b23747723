"""Records, the bill and memories as a holder of a `FirestoreDatabase` sees them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from emonk.errors import Conflict, EmonkError
from emonk.ids import uuid7
from emonk.records import Memory, Record, SessionKey, UsageRow
from emonk.store.bill import check_asked, distinct
from emonk.store.firestore import memories, records, usage
from emonk.store.firestore.documents import Documents
from emonk.store.firestore.errors import Moved
from emonk.store.firestore.holder import Holder
from emonk.store.firestore.ranges import Keys
from emonk.store.limits import check_memory, check_texts, checked_puts
from emonk.store.memory_protocol import MemoryScope
from emonk.store.record_protocol import Put
from emonk.store.usage_protocol import UsageFilter, UsageGroup, UsageTotal

T = TypeVar("T")


class FirestoreRecords(Holder):
    """A `RecordStore`."""

    async def record(self, namespace: str, key: str) -> Record | None:
        return await self._run(lambda documents, _: records.record(documents, namespace, key))

    async def put(self, puts: Sequence[Put]) -> list[Record]:
        checked, attempt, database = checked_puts(puts), uuid7(), self._database

        async def work(documents: Documents, again: bool) -> list[Record]:
            return await records.put(documents, checked, attempt, database.now(documents), again=again)

        return await self._run(work)

    async def remove(self, namespace: str, key: str, *, expected_version: int) -> None:
        removal = Removal(lambda documents: records.remove(documents, namespace, key, expected_version))

        async def work(documents: Documents, _again: bool) -> None:
            try:
                await removal.attempt(documents)
            except Conflict:
                if not removal.unsure or await records.record(documents, namespace, key) is not None:
                    raise

        await self._run(work)

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
        check_texts(prefix, after)
        wanted, keys = records.Wanted(namespace, session, state), Keys(prefix, after, limit)
        return await self._run(lambda documents, _: records.records(documents, wanted, keys))

    async def due_records(self, namespace: str, *, limit: int = 100) -> list[Record]:
        database = self._database
        return await self._run(lambda documents, _: records.due(documents, namespace, database.now(documents), limit))


class FirestoreUsage(Holder):
    """A `UsageStore`."""

    def bill(self, rows: Sequence[UsageRow]) -> asyncio.Future[None]:
        kept = distinct(rows)
        return self._run(lambda documents, again: usage.bill(documents, kept, again=again))

    async def usage_rows(self, wanted: UsageFilter, *, limit: int = 100, before: str | None = None) -> list[UsageRow]:
        check_asked(wanted, before=before)
        return await self._run(lambda documents, _: usage.rows(documents, wanted, limit, before))

    async def usage_totals(self, wanted: UsageFilter, *, by: Sequence[UsageGroup] = ()) -> list[UsageTotal]:
        check_asked(wanted, by)
        return await self._run(lambda documents, _: usage.totals(documents, wanted, by))


class FirestoreMemories(Holder):
    """A `MemoryStore`."""

    async def remember(self, scope: MemoryScope, key: str, text: str) -> Memory:
        check_memory(key, text)
        database = self._database
        return await self._run(
            lambda documents, _: memories.remember(documents, scope, key, text, database.now(documents))
        )

    async def recall(self, scope: MemoryScope, key: str) -> Memory | None:
        return await self._run(lambda documents, _: memories.recall(documents, scope, key))

    async def search_memory(self, scope: MemoryScope, query: str, *, limit: int = 10) -> list[Memory]:
        return await self._run(lambda documents, _: memories.search(documents, scope, query, limit))

    async def memories(self, scope: MemoryScope, *, after: str = "", limit: int = 100) -> list[Memory]:
        check_texts(after)
        return await self._run(lambda documents, _: memories.memories(documents, scope, Keys("", after, limit)))

    async def forget(self, scope: MemoryScope, key: str) -> bool:
        removal = Removal(lambda documents: memories.forget(documents, scope, key))

        async def work(documents: Documents, _again: bool) -> bool:
            return await removal.attempt(documents) or removal.unsure

        return await self._run(work)


class Removal(Generic[T]):
    """The removal of one document. When an answer was lost, what is not there any more was removed by it."""

    def __init__(self, work: Callable[[Documents], Awaitable[T]]) -> None:
        self._work = work
        self.unsure = False

    async def attempt(self, documents: Documents) -> T:
        """Try it, once more or for the first time."""
        try:
            return await self._work(documents)
        except (EmonkError, Moved):
            raise
        except Exception:
            self.unsure = True
            raise
