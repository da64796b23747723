"""Records, the bill and memories as a holder of a `SqliteFile` sees them."""

import asyncio
from collections.abc import Sequence

from emonk.clock import timestamp
from emonk.records import Memory, Record, SessionKey, UsageRow
from emonk.store.bill import check_asked, distinct
from emonk.store.limits import check_memory, check_texts, checked_puts
from emonk.store.memory_protocol import MemoryScope
from emonk.store.record_protocol import Put
from emonk.store.sqlite import memories, records, usage
from emonk.store.sqlite.holder import Holder
from emonk.store.usage_protocol import UsageFilter, UsageGroup, UsageTotal


class SqliteRecords(Holder):
    """A `RecordStore`."""

    async def record(self, namespace: str, key: str) -> Record | None:
        return await self._read(lambda connection: records.record(connection, namespace, key))

    async def put(self, puts: Sequence[Put]) -> list[Record]:
        checked, clock = checked_puts(puts), self._clock
        return await self._write(lambda connection: records.put(connection, checked, timestamp(clock)))

    async def remove(self, namespace: str, key: str, *, expected_version: int) -> None:
        await self._write(lambda connection: records.remove(connection, namespace, key, expected_version))

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
        check_texts(prefix)
        wanted = records.Wanted(namespace, prefix, session, state, after, limit)
        return await self._read(lambda connection: records.listed(connection, wanted))

    async def due_records(self, namespace: str, *, limit: int = 100) -> list[Record]:
        clock = self._clock
        return await self._read(lambda connection: records.due(connection, namespace, timestamp(clock), limit))


class SqliteUsage(Holder):
    """A `UsageStore`."""

    def bill(self, rows: Sequence[UsageRow]) -> asyncio.Future[None]:
        kept = distinct(rows)
        return self._write(lambda connection: usage.bill(connection, kept))

    async def usage_rows(self, wanted: UsageFilter, *, limit: int = 100, before: str | None = None) -> list[UsageRow]:
        check_asked(wanted, before=before)
        await self._prepare(wanted)
        return await self._read(lambda connection: usage.rows(connection, wanted, limit, before))

    async def usage_totals(self, wanted: UsageFilter, *, by: Sequence[UsageGroup] = ()) -> list[UsageTotal]:
        check_asked(wanted, by)
        await self._prepare(wanted)
        return await self._read(lambda connection: usage.totals(connection, wanted, by))

    async def _prepare(self, wanted: UsageFilter) -> None:
        """Have an index for who asks for a session; without one the answer is the same, and later."""
        if wanted.session_id is not None:
            self._open()
            await self._file.once(usage.index_sessions)


class SqliteMemories(Holder):
    """A `MemoryStore`."""

    async def remember(self, scope: MemoryScope, key: str, text: str) -> Memory:
        check_memory(key, text)
        clock = self._clock
        return await self._write(lambda connection: memories.remember(connection, scope, key, text, timestamp(clock)))

    async def recall(self, scope: MemoryScope, key: str) -> Memory | None:
        return await self._read(lambda connection: memories.recall(connection, scope, key))

    async def search_memory(self, scope: MemoryScope, query: str, *, limit: int = 10) -> list[Memory]:
        check_texts(scope.agent, scope.user_id)
        return await self._read(lambda connection: memories.search(connection, scope, query, limit))

    async def memories(self, scope: MemoryScope, *, after: str = "", limit: int = 100) -> list[Memory]:
        return await self._read(lambda connection: memories.listed(connection, scope, after, limit))

    async def forget(self, scope: MemoryScope, key: str) -> bool:
        return await self._write(lambda connection: memories.forget(connection, scope, key))
