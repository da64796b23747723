"""The bill of a SQLite store. Every function is part of the caller's transaction."""

import sqlite3
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from emonk.ids import time_of
from emonk.records import Usage, UsageRow
from emonk.store.bill import to_price, to_text, to_units, to_usd, total
from emonk.store.usage_protocol import UsageFilter, UsageGroup, UsageTotal

# What is said before the call, and what came of it. Only the latter is written again, and no index holds any of it.
_BEFORE_CALL = (
    "row_id, agent, session_id, user_id, trace_id, purpose, provider, model, started_at, message_id, role, lead"
)
_AFTER_CALL = (
    "state, seconds, input_tokens, output_tokens, cached_input_tokens, cache_write_tokens, reasoning_tokens, "
    "cost, error, price, estimate"
)
_NAMES = f"{_BEFORE_CALL}, {_AFTER_CALL}"
_ROW = f"({', '.join('?' for _ in _NAMES.split(', '))})"
_AGAIN = f"""ON CONFLICT (started_at, row_id) DO UPDATE
    SET {", ".join(f"{name} = excluded.{name}" for name in _AFTER_CALL.split(", "))}
    WHERE excluded.state <> 'started' OR usage.state = 'started'"""  # noqa: S608 - joins constants
_AT_ONCE = 64
_BEFORE = "(started_at, row_id) < (?, ?)"
_STARTED = "SELECT started_at FROM usage WHERE row_id = ? AND started_at BETWEEN ? AND ?"
_EVER = (-(1 << 63), (1 << 63) - 1)
_NEAR = 1_000_000
"""Microseconds: a call starts so near to the time that its row's id tells, where both are of the same clock."""

_SOON_INDEXED = 500_000
"""Rows of which an index is made in about a second."""

_BY_SESSION = "CREATE INDEX IF NOT EXISTS usage_by_session ON usage (session_id, started_at)"
# A sum of whole numbers that does not fit is an error to SQLite, so the cost is summed in two parts.
_PART = 1_000_000
_SUMS = f"""count(*), coalesce(sum(state = 'failed'), 0), coalesce(sum(state = 'started'), 0),
    coalesce(sum(cost IS NULL), 0), coalesce(sum(input_tokens), 0), coalesce(sum(output_tokens), 0),
    coalesce(sum(cached_input_tokens), 0), coalesce(sum(cache_write_tokens), 0), coalesce(sum(reasoning_tokens), 0),
    coalesce(sum(cost / {_PART}), 0), coalesce(sum(cost % {_PART}), 0),
    coalesce(sum(estimate / {_PART}) FILTER (WHERE cost IS NULL), 0),
    coalesce(sum(estimate % {_PART}) FILTER (WHERE cost IS NULL), 0)"""
_DAY = "strftime('%Y-%m-%d', started_at / 1000000, 'unixepoch')"


def bill(connection: sqlite3.Connection, rows: Iterable[UsageRow]) -> None:
    """Write rows of different ids; see `UsageStore.bill`."""
    written = list(rows)
    for at in range(0, len(written), _AT_ONCE):
        some = written[at : at + _AT_ONCE]
        connection.execute(_bill(len(some)), [value for row in some for value in _values(row)])


@lru_cache
def _bill(count: int) -> str:
    """Several rows in one statement, which costs less than as many."""
    return f"INSERT INTO usage ({_NAMES}) VALUES {', '.join([_ROW] * count)} {_AGAIN}"  # noqa: S608 - joins constants


def rows(connection: sqlite3.Connection, wanted: UsageFilter, limit: int, before: str | None) -> list[UsageRow]:
    """Rows, the last started first; see `UsageStore.usage_rows`."""
    conditions, values = _conditions(wanted)
    if before is not None:
        started_at = _started_at(connection, before)
        if started_at is None:
            return []
        conditions.append(_BEFORE)
        values += [started_at, before]
    query = f"SELECT {_NAMES} FROM usage{_where(conditions)} ORDER BY started_at DESC, row_id DESC LIMIT ?"  # noqa: S608 - joins constants
    return [_row(*row) for row in connection.execute(query, (*values, max(0, limit)))]


def totals(connection: sqlite3.Connection, wanted: UsageFilter, by: Sequence[UsageGroup]) -> list[UsageTotal]:
    """Sums by the given words; see `UsageStore.usage_totals`."""
    conditions, values = _conditions(wanted)
    groups = [_DAY if word == "day" else word for word in by]
    grouped = f" GROUP BY {', '.join(groups)}" if groups else ""
    query = f"SELECT {', '.join((*groups, _SUMS))} FROM usage{_where(conditions)}{grouped}"  # noqa: S608 - joins constants
    return sorted((_total(row, len(by)) for row in connection.execute(query, values)), key=lambda one: one.group)


def index_sessions(connection: sqlite3.Connection) -> None:
    """Have the rows of a session found without a look at all others, from now on.

    Not where there are very many already: nobody could write meanwhile.
    """
    (rows,) = connection.execute("SELECT ifnull(max(number), 0) FROM usage").fetchone()
    if rows <= _SOON_INDEXED:
        connection.execute(_BY_SESSION)


def _started_at(connection: sqlite3.Connection, row_id: str) -> int | None:
    """When a row's call started: looked for where its id says first, since nothing finds rows by their ids alone."""
    told = time_of(row_id)
    spans = [_EVER] if told is None else [(told - _NEAR, told + _NEAR), _EVER]
    for span in spans:
        found = connection.execute(_STARTED, (row_id, *span)).fetchone()
        if found is not None:
            return int(found[0])
    return None


def _conditions(wanted: UsageFilter) -> tuple[list[str], list[object]]:
    asked: dict[str, object] = {
        "agent = ?": wanted.agent,
        "session_id = ?": wanted.session_id,
        "user_id = ?": wanted.user_id,
        "message_id = ?": wanted.message_id,
        "purpose = ?": wanted.purpose,
        "model = ?": wanted.model,
        "started_at >= ?": wanted.since,
        "started_at < ?": wanted.until,
    }
    given = {condition: value for condition, value in asked.items() if value is not None}
    return list(given), list(given.values())


def _where(conditions: Sequence[str]) -> str:
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def _values(row: UsageRow) -> tuple[object, ...]:
    usage = row.usage
    return (
        row.row_id,
        row.agent,
        row.session_id,
        row.user_id,
        row.trace_id,
        row.purpose,
        row.provider,
        row.model,
        row.started_at,
        row.message_id,
        row.role,
        row.lead,
        row.state,
        row.seconds,
        usage.input_tokens,
        usage.output_tokens,
        usage.cached_input_tokens,
        usage.cache_write_tokens,
        usage.reasoning_tokens,
        to_units(row.cost_usd),
        row.error,
        to_text(row.price),
        to_units(row.estimate_usd),
    )


def _row(*columns: Any) -> UsageRow:
    return UsageRow(
        row_id=columns[0],
        agent=columns[1],
        session_id=columns[2],
        user_id=columns[3],
        trace_id=columns[4],
        purpose=columns[5],
        provider=columns[6],
        model=columns[7],
        started_at=columns[8],
        message_id=columns[9],
        role=columns[10],
        lead=columns[11],
        state=columns[12],
        seconds=columns[13],
        usage=Usage(*columns[14:19]),
        cost_usd=to_usd(columns[19]),
        error=columns[20],
        price=to_price(columns[21]),
        estimate_usd=to_usd(columns[22]),
    )


def _total(row: tuple[Any, ...], words: int) -> UsageTotal:
    calls, failed, unfinished, unpriced, *tokens, high, low, high_estimate, low_estimate = row[words:]
    counts = (calls, failed, unfinished, unpriced)
    cost, estimated = high * _PART + low, high_estimate * _PART + low_estimate
    return total(row[:words], counts, Usage(*tokens), cost, estimated)
