"""Records that the tools of an agent keep for themselves, apart from those of emonk and of other agents."""

import msgspec

from emonk.records import Record
from emonk.store.record_protocol import Put, RecordStore


class AgentRecords:
    """The records of one namespace of an agent, changed by compare-and-set.

    They belong to no session and stay when one is deleted. A `Record` has `key`, `data`, `version`, `state`, `due_at`
    and `updated_at`.
    """

    def __init__(self, store: RecordStore, agent: str, namespace: str) -> None:
        self._store = store
        self._shown = namespace
        self._namespace = f"tenant:{agent}:{namespace}"

    async def get(self, key: str) -> Record | None:
        """One record, or None."""
        record = await self._store.record(self._namespace, key)
        return None if record is None else self._own(record)

    async def put(
        self, key: str, data: bytes, *, expected_version: int, state: str = "", due_at: int | None = None
    ) -> Record:
        """Write a record whose version is `expected_version`; 0 is for one that is not there yet.

        Args:
            key: any text.
            data: at most 800,000 bytes.
            expected_version: that of the record which was read.
            state: a word to list it by.
            due_at: from when on `due` lists it, in UTC microseconds.

        Raises:
            Conflict: its version is another; nothing was written.
        """
        put = Put(
            namespace=self._namespace,
            key=key,
            data=data,
            expected_version=expected_version,
            state=state,
            due_at=due_at,
        )
        return self._own((await self._store.put([put]))[0])

    async def remove(self, key: str, *, expected_version: int) -> None:
        """Remove a record; one that is made again begins at version 1.

        Raises:
            Conflict: its version is another, or it is not there.
        """
        await self._store.remove(self._namespace, key, expected_version=expected_version)

    async def list(
        self, *, prefix: str = "", state: str | None = None, after: str = "", limit: int = 100
    ) -> tuple[Record, ...]:
        """Records in the order of their keys, from the first after `after`."""
        found = await self._store.records(self._namespace, prefix=prefix, state=state, after=after, limit=limit)
        return tuple(self._own(record) for record in found)

    async def due(self, *, limit: int = 100) -> tuple[Record, ...]:
        """Records whose `due_at` has come, the longest due first."""
        return tuple(self._own(record) for record in await self._store.due_records(self._namespace, limit=limit))

    def _own(self, record: Record) -> Record:
        return msgspec.structs.replace(record, namespace=self._shown)
