"""Records, the bill and memories as a holder of a `PostgresDatabase` sees them."""

import asyncio
import os
from collections.abc import Sequence

from emonk.records import Memory, Record, SessionKey, UsageRow
from emonk.store.bill import check_asked, distinct
from emonk.store.limits import check_memory, check_texts, checked_puts
from emonk.store.memory_protocol import MemoryScope
from emonk.store.postgres import memories, records, usage
from emonk.store.postgres.connection import Connection
from emonk.store.postgres.holder import Holder
from emonk.store.record_protocol import Put
from emonk.store.usage_protocol import UsageFilter, UsageGroup, UsageTotal


class PostgresRecords(Holder):
    """A `RecordStore`."""

    async def record(self, namespace: str, key: str) -> Record | None:
        return await self._read(lambda connection: records.record(connection, namespace, key))

    async def put(self, puts: Sequence[Put]) -> list[Record]:
        checked, attempt, now = checked_puts(puts), os.urandom(16), self._database.now()

        async def work(connection: Connection, again: bool) -> list[Record]:
            return await records.put(connection, checked, attempt, now, again=again)

        return await self._do(work)

    async def remove(self, namespace: str, key: str, *, expected_version: int) -> None:
        async def work(connection: Connection, again: bool) -> None:
            await records.remove(connection, namespace, key, expected_version, again=again)

        await self._do(work)

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
        now = self._database.now()
        return await self._read(lambda connection: records.due(connection, namespace, now, limit))


class PostgresUsage(Holder):
    """A `UsageStore`."""

    def bill(self, rows: Sequence[UsageRow]) -> asyncio.Future[None]:
        kept = distinct(rows)
        return self._do(lambda connection, _: usage.bill(connection, kept))

    async def usage_rows(self, wanted: UsageFilter, *, limit: int = 100, before: str | None = None) -> list[UsageRow]:
        check_asked(wanted, before=before)
        return await self._read(lambda connection: usage.listed(connection, wanted, limit, before))

    async def usage_totals(self, wanted: UsageFilter, *, by: Sequence[UsageGroup] = ()) -> list[UsageTotal]:
        check_asked(wanted, by)
        return await self._read(lambda connection: usage.totals(connection, wanted, by))


class PostgresMemories(Holder):
    """A `MemoryStore`."""

    async def remember(self, scope: MemoryScope, key: str, text: str) -> Memory:
        check_memory(key, text)
        now = self._database.now()
        return await self._do(lambda connection, _: memories.remember(connection, scope, key, text, now))

    async def recall(self, scope: MemoryScope, key: str) -> Memory | None:
        return await self._read(lambda connection: memories.recall(connection, scope, key))

    async def search_memory(self, scope: MemoryScope, query: str, *, limit: int = 10) -> list[Memory]:
        return await self._read(lambda connection: memories.search(connection, scope, query, limit))

    async def memories(self, scope: MemoryScope, *, after: str = "", limit: int = 100) -> list[Memory]:
        return await self._read(lambda connection: memories.listed(connection, scope, after, limit))

    async def forget(self, scope: MemoryScope, key: str) -> bool:
        known = False

        async def work(connection: Connection, _again: bool) -> bool:
            """What was there, and is not there any more once the connection was lost, was removed by the first run."""
            nonlocal known
            known = known or await memories.known(connection, scope, key)
            return await memories.forget(connection, scope, key) or known

        return await self._do(work)
