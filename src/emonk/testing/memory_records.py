"""Records, usage rows and memories of a `MemoryDatabase`. Times are UTC microseconds."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

import msgspec

from emonk.clock import MICROSECONDS
from emonk.records import Memory, Record, SessionKey, Usage, UsageRow
from emonk.store.bill import replaces, to_units, to_usd, total
from emonk.store.memory_protocol import MemoryScope
from emonk.store.record_protocol import Put
from emonk.store.refusals import changed
from emonk.store.usage_protocol import UsageFilter, UsageGroup, UsageTotal
from emonk.store.words import words


class MemoryRecords:
    """Records by namespace and key."""

    def __init__(self) -> None:
        self._records: dict[str, dict[str, Record]] = {}

    def get(self, namespace: str, key: str) -> Record | None:
        """One record, or None."""
        return self._records.get(namespace, {}).get(key)

    def check(self, puts: Iterable[Put]) -> None:
        """See that all of them can be written.

        Raises:
            Conflict: one names another version than the present one.
        """
        for put in puts:
            self._expect(put.namespace, put.key, put.expected_version)

    def put(self, puts: Iterable[Put], now: int) -> list[Record]:
        """Write what was checked."""
        return [self._put(put, now) for put in puts]

    def remove(self, namespace: str, key: str, expected_version: int) -> None:
        """Remove a record.

        Raises:
            Conflict: its version is another, or it is not there.
        """
        self._expect(namespace, key, expected_version)
        if self._records.get(namespace, {}).pop(key, None) is None:
            raise changed(namespace, key, 0, expected_version)

    def remove_session(self, session: SessionKey) -> None:
        """Remove all that belong to a session."""
        for kept in self._records.values():
            for key in [key for key, record in kept.items() if record.session == session]:
                del kept[key]

    def list(self, namespace: str, wanted: Callable[[Record], bool], limit: int) -> list[Record]:
        """Those wanted, in the order of their keys."""
        found = [record for record in self._records.get(namespace, {}).values() if wanted(record)]
        return sorted(found, key=lambda record: record.key)[: max(0, limit)]

    def due(self, namespace: str, now: int, limit: int) -> "list[Record]":
        """Those due, the longest due first."""
        due = [
            (record.due_at, record.key, record)
            for record in self._records.get(namespace, {}).values()
            if record.due_at is not None and record.due_at <= now
        ]
        return [record for _, _, record in sorted(due, key=lambda entry: entry[:2])[: max(0, limit)]]

    def _expect(self, namespace: str, key: str, version: int) -> None:
        present = self.get(namespace, key)
        at = present.version if present else 0
        if at != version:
            raise changed(namespace, key, at, version)

    def _put(self, put: Put, now: int) -> Record:
        record = Record(
            namespace=put.namespace,
            key=put.key,
            data=bytes(put.data),
            version=put.expected_version + 1,
            updated_at=now,
            session=put.session,
            state=put.state,
            due_at=put.due_at,
        )
        self._records.setdefault(put.namespace, {})[put.key] = record
        return record


class MemoryUsage:
    """The bill."""

    def __init__(self) -> None:
        self._rows: dict[str, UsageRow] = {}

    def bill(self, rows: Iterable[UsageRow]) -> None:
        """Write rows, each in place of an earlier one with its id."""
        for row in rows:
            earlier = self._rows.get(row.row_id)
            if earlier is None or replaces(row, earlier):
                cost, estimate = (to_usd(to_units(usd)) for usd in (row.cost_usd, row.estimate_usd))
                self._rows[row.row_id] = msgspec.structs.replace(row, cost_usd=cost, estimate_usd=estimate)

    def rows(self, wanted: UsageFilter, limit: int, before: str | None) -> list[UsageRow]:
        """Rows, the last started first."""
        found = sorted(self._wanted(wanted), key=_started, reverse=True)
        if before is not None:
            last = self._rows.get(before)
            found = [row for row in found if last is not None and _started(row) < _started(last)]
        return found[: max(0, limit)]

    def totals(self, wanted: UsageFilter, by: Sequence[UsageGroup]) -> list[UsageTotal]:
        """Sums by the given words."""
        groups: dict[tuple[str, ...], list[UsageRow]] = {} if by else {(): []}
        for row in self._wanted(wanted):
            groups.setdefault(tuple(_value(row, word) for word in by), []).append(row)
        return [_total(group, groups[group]) for group in sorted(groups)]

    def _wanted(self, wanted: UsageFilter) -> list[UsageRow]:
        return [row for row in self._rows.values() if _matches(row, wanted)]


class MemoryMemories:
    """What is remembered, by scope and key."""

    def __init__(self) -> None:
        self._memories: dict[MemoryScope, dict[str, Memory]] = {}

    def remember(self, scope: MemoryScope, key: str, text: str, now: int) -> Memory:
        """Keep a text."""
        kept = self._memories.setdefault(scope, {})
        earlier = kept.get(key)
        kept[key] = Memory(key, text, earlier.created_at if earlier else now, now)
        return kept[key]

    def recall(self, scope: MemoryScope, key: str) -> Memory | None:
        """What is kept under the key."""
        return self._memories.get(scope, {}).get(key)

    def search(self, scope: MemoryScope, query: str, limit: int) -> list[Memory]:
        """Memories with words of the query, most of them first."""
        asked = set(words(query))
        found = [
            (-len(asked.intersection(words(kept.key, kept.text))), -kept.updated_at, kept.key)
            for kept in self._memories.get(scope, {}).values()
        ]
        return [self._memories[scope][key] for hits, _, key in sorted(found)[: max(0, limit)] if hits]

    def list(self, scope: MemoryScope, after: str, limit: int) -> list[Memory]:
        """All of a scope in the order of their keys."""
        kept = self._memories.get(scope, {})
        return [kept[key] for key in sorted(kept) if key > after][: max(0, limit)]

    def forget(self, scope: MemoryScope, key: str) -> bool:
        """Remove what is kept under the key."""
        return self._memories.get(scope, {}).pop(key, None) is not None


def _started(row: UsageRow) -> tuple[int, str]:
    return row.started_at, row.row_id


def _matches(row: UsageRow, wanted: UsageFilter) -> bool:
    pairs = (
        (wanted.agent, row.agent),
        (wanted.session_id, row.session_id),
        (wanted.user_id, row.user_id),
        (wanted.message_id, row.message_id),
        (wanted.purpose, row.purpose),
        (wanted.model, row.model),
    )
    return (
        all(asked is None or asked == has for asked, has in pairs)
        and (wanted.since is None or row.started_at >= wanted.since)
        and (wanted.until is None or row.started_at < wanted.until)
    )


def _value(row: UsageRow, word: UsageGroup) -> str:
    if word == "day":
        return datetime.fromtimestamp(row.started_at // MICROSECONDS, UTC).strftime("%Y-%m-%d")
    value: str = getattr(row, word)
    return value


def _total(group: tuple[str, ...], rows: Sequence[UsageRow]) -> UsageTotal:
    failed = sum(row.state == "failed" for row in rows)
    unfinished = sum(row.state == "started" for row in rows)
    unpriced = sum(row.cost_usd is None for row in rows)
    usage = sum((row.usage for row in rows), Usage())
    units = sum(to_units(row.cost_usd) or 0 for row in rows)
    estimated = sum(to_units(row.estimate_usd) or 0 for row in rows if row.cost_usd is None)
    return total(group, (len(rows), failed, unfinished, unpriced), usage, units, estimated)
