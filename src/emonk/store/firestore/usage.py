"""The bill of a Firestore store. A row is a document named for its id.

Firestore sums only whole result sets and has no groups, so totals are summed here: each row that fits the most
selective of session, user and agent, and the time, is read once. Rows lie in the order of time under each of them.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from emonk.clock import MICROSECONDS
from emonk.records import Usage, UsageRow
from emonk.store.bill import replaces, to_units, to_usd, total
from emonk.store.firestore.documents import Documents, Found, Query, Write
from emonk.store.firestore.layout import USAGE, after_all, digest, name_of, ordered
from emonk.store.firestore.ranges import place
from emonk.store.usage_protocol import UsageFilter, UsageGroup, UsageTotal

_PAGE = 300
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(UsageRow)


class Sums:
    """What the rows of one group come to."""

    def __init__(self) -> None:
        self.counts = [0, 0, 0, 0]
        self.usage = Usage()
        self.units = 0
        self.estimated = 0

    def add(self, row: UsageRow) -> None:
        """One row more."""
        units = to_units(row.cost_usd)
        for place_, one in enumerate((True, row.state == "failed", row.state == "started", units is None)):
            self.counts[place_] += one
        self.usage += row.usage
        self.units += units or 0
        self.estimated += (to_units(row.estimate_usd) or 0) if units is None else 0

    def total(self, group: tuple[str, ...]) -> UsageTotal:
        """As it is told."""
        calls, failed, unfinished, unpriced = self.counts
        return total(group, (calls, failed, unfinished, unpriced), self.usage, self.units, self.estimated)


async def writes(documents: Documents, rows: Sequence[UsageRow], *, again: bool) -> list[Write]:
    """What is to be written; only `again` it is looked at whether a row has started, or is completed, already."""
    if not again:
        return [Write("create" if row.state == "started" else "put", _path(row.row_id), _fields(row)) for row in rows]
    if not rows:
        return []
    found = await documents.get(*(_path(row.row_id) for row in rows))
    return [
        Write("create", _path(row.row_id), _fields(row))
        if earlier is None
        else Write("update", _path(row.row_id), _fields(row), earlier.updated)
        for row, earlier in zip(rows, found, strict=True)
        if earlier is None or replaces(row, _row(earlier))
    ]


async def bill(documents: Documents, rows: Sequence[UsageRow], *, again: bool) -> None:
    """Write rows; see `UsageStore.bill`."""
    for start in range(0, len(rows), _PAGE):
        prepared = await writes(documents, rows[start : start + _PAGE], again=again)
        if prepared:
            await documents.write(prepared)


async def rows(documents: Documents, wanted: UsageFilter, limit: int, before: str | None) -> list[UsageRow]:
    """Rows, the last started first; see `UsageStore.usage_rows`."""
    field, head = _range(wanted)
    end = None
    if before is not None:
        (last,) = await documents.get(_path(before))
        if last is None:
            return []
        row = _row(last)
        end = place(head + ordered(row.started_at), row.row_id)
    kept: list[UsageRow] = []
    if limit > 0:
        async for row in _fitting(documents, wanted, (field, head), end, limit):
            kept.append(row)
            if len(kept) == limit:
                break
    return kept


async def totals(documents: Documents, wanted: UsageFilter, by: Sequence[UsageGroup]) -> list[UsageTotal]:
    """Sums by the given words; see `UsageStore.usage_totals`."""
    groups: dict[tuple[str, ...], Sums] = {} if by else {(): Sums()}
    async for row in _fitting(documents, wanted, _range(wanted), None, _PAGE):
        groups.setdefault(tuple(_value(row, word) for word in by), Sums()).add(row)
    return [groups[group].total(group) for group in sorted(groups)]


async def _fitting(
    documents: Documents, wanted: UsageFilter, within: tuple[str, bytes], end: bytes | None, page: int
) -> AsyncIterator[UsageRow]:
    field, head = within
    first = head if wanted.since is None else head + ordered(wanted.since)
    last = after_all(head) if wanted.until is None else head + ordered(wanted.until)
    last = last if end is None else min(last, end)
    while True:
        where = ((field, ">=", first), (field, "<", last))
        found = await documents.query(Query(USAGE, where, field, descending=True, limit=page))
        for one in found:
            row = _row(one)
            if _fits(row, wanted):
                yield row
        if len(found) < page:
            return
        last, page = found[-1].fields[field], max(page, _PAGE)


def _range(wanted: UsageFilter) -> tuple[str, bytes]:
    if wanted.session_id is not None:
        return "by_session", digest(wanted.session_id)
    if wanted.user_id is not None:
        return "by_user", digest(wanted.user_id)
    if wanted.agent is not None:
        return "by_agent", digest(wanted.agent)
    return "by_time", b""


def _fits(row: UsageRow, wanted: UsageFilter) -> bool:
    pairs = (
        (wanted.agent, row.agent),
        (wanted.session_id, row.session_id),
        (wanted.user_id, row.user_id),
        (wanted.message_id, row.message_id),
        (wanted.purpose, row.purpose),
        (wanted.model, row.model),
    )
    return all(asked is None or asked == has for asked, has in pairs)


def _value(row: UsageRow, word: UsageGroup) -> str:
    if word == "day":
        return datetime.fromtimestamp(row.started_at // MICROSECONDS, UTC).strftime("%Y-%m-%d")
    value: str = getattr(row, word)
    return value


def _fields(row: UsageRow) -> dict[str, Any]:
    cost, estimate = (to_usd(to_units(usd)) for usd in (row.cost_usd, row.estimate_usd))
    kept = msgspec.structs.replace(row, cost_usd=cost, estimate_usd=estimate)
    at = ordered(row.started_at)
    return {
        "body": _encoder.encode(kept),
        "by_time": place(at, row.row_id),
        "by_agent": place(digest(row.agent) + at, row.row_id),
        "by_session": place(digest(row.session_id) + at, row.row_id),
        "by_user": place(digest(row.user_id) + at, row.row_id),
    }


def _row(found: Found) -> UsageRow:
    return _decoder.decode(found.fields["body"])


def _path(row_id: str) -> str:
    return f"{USAGE}/{name_of(row_id)}"
