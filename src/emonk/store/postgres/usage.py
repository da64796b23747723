"""The bill of a PostgreSQL store. Every function is part of the caller's transaction."""

from collections.abc import Sequence

import msgspec

from emonk.records import Usage, UsageRow
from emonk.store.bill import to_price, to_text, to_units, to_usd, total
from emonk.store.postgres.connection import Connection, Record
from emonk.store.postgres.schema import digest, restored, stored
from emonk.store.usage_protocol import UsageFilter, UsageGroup, UsageTotal

_json = msgspec.json.Encoder()

_COLUMNS = {
    "id": "decode(entry.id, 'hex')",
    "row_id": "decode(entry.row_id, 'hex')",
    **{
        name: f"entry.{name}"
        for name in (
            "agent",
            "session_id",
            "user_id",
            "trace_id",
            "purpose",
            "provider",
            "model",
            "started_at",
            "message_id",
            "role",
            "lead",
            "state",
            "seconds",
            "input_tokens",
            "output_tokens",
            "cached_input_tokens",
            "cache_write_tokens",
            "reasoning_tokens",
            "cost",
            "error",
            "price",
            "estimate",
        )
    },
}
_ENTRY = """(id text, row_id text, agent text, session_id text, user_id text, trace_id text, purpose text,
    provider text, model text, state text, started_at bigint, seconds double precision, input_tokens bigint,
    output_tokens bigint, cached_input_tokens bigint, cache_write_tokens bigint, reasoning_tokens bigint, cost bigint,
    error text, message_id text, role text, lead text, price text, estimate bigint)"""
_NAMES = ", ".join(_COLUMNS)
_ANEW = tuple(_COLUMNS)[list(_COLUMNS).index("state") :]  # what came of the call; no index holds any of it
_TOKENS = "input_tokens, output_tokens, cached_input_tokens, cache_write_tokens, reasoning_tokens"
_SUMS = f"""count(*) AS calls, count(*) FILTER (WHERE state = 'failed') AS failed,
    count(*) FILTER (WHERE state = 'started') AS unfinished, count(*) FILTER (WHERE cost IS NULL) AS unpriced,
    coalesce(sum(cost), 0) AS cost, coalesce(sum(estimate) FILTER (WHERE cost IS NULL), 0) AS estimate,
    {", ".join(f"coalesce(sum({name}), 0) AS {name}" for name in _TOKENS.split(", "))}"""
_DAY = "to_char(to_timestamp(started_at / 1000000) AT TIME ZONE 'UTC', 'YYYY-MM-DD')"
_BEFORE = "(started_at, row_id) < (SELECT started_at, row_id FROM emonk.usage WHERE id = $%d)"


def bill_of(rows: str, source: str = "") -> str:
    """The statement that writes the rows of a parameter, once for each row of `source` where there is one."""
    tables = f"{source}, " if source else ""
    return f"""INSERT INTO emonk.usage ({_NAMES})
        SELECT {", ".join(_COLUMNS.values())} FROM {tables}json_to_recordset({rows}::json) AS entry {_ENTRY}
        ON CONFLICT (id) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in _ANEW)}
        WHERE excluded.state <> 'started' OR usage.state = 'started'"""  # noqa: S608 - joins constants


_BILL = bill_of("$1")
_ASKED = ("agent", "session_id", "user_id", "message_id", "purpose", "model")


async def bill(connection: Connection, rows: Sequence[UsageRow]) -> None:
    """Write rows of different ids; see `UsageStore.bill`."""
    if rows:
        await connection.execute(_BILL, encoded(rows))


def encoded(rows: Sequence[UsageRow]) -> str:
    """Rows as `bill_of` takes them."""
    return _json.encode([_entry(row) for row in rows]).decode()


async def listed(connection: Connection, wanted: UsageFilter, limit: int, before: str | None) -> list[UsageRow]:
    """Rows, the last started first; see `UsageStore.usage_rows`."""
    conditions, values = _conditions(wanted)
    if before is not None:
        values.append(digest(before))
        conditions.append(_BEFORE % len(values))
    values.append(max(0, limit))
    query = f"SELECT {_NAMES} FROM emonk.usage{_where(conditions)} ORDER BY started_at DESC, row_id DESC"  # noqa: S608 - joins constants
    return [_row(row) for row in await connection.fetch(f"{query} LIMIT ${len(values)}", *values)]


async def totals(connection: Connection, wanted: UsageFilter, by: Sequence[UsageGroup]) -> list[UsageTotal]:
    """Sums by the given words; see `UsageStore.usage_totals`."""
    conditions, values = _conditions(wanted)
    groups = [_DAY if word == "day" else word for word in by]
    grouped = f" GROUP BY {', '.join(groups)}" if groups else ""
    selected = [f"{group} AS word{number}" for number, group in enumerate(groups)]
    query = f"SELECT {', '.join((*selected, _SUMS))} FROM emonk.usage{_where(conditions)}{grouped}"  # noqa: S608 - joins constants
    found = [_total(row, len(by)) for row in await connection.fetch(query, *values)]
    return sorted(found, key=lambda one: one.group)


def _conditions(wanted: UsageFilter) -> tuple[list[str], list[object]]:
    texts = {name: getattr(wanted, name) for name in _ASKED}
    asked: list[tuple[str, object]] = [
        *((f"{name} =", None if text is None else stored(text)) for name, text in texts.items()),
        ("started_at >=", wanted.since),
        ("started_at <", wanted.until),
    ]
    given = [(condition, value) for condition, value in asked if value is not None]
    return [f"{condition} ${place}" for place, (condition, _) in enumerate(given, 1)], [value for _, value in given]


def _where(conditions: Sequence[str]) -> str:
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def _entry(row: UsageRow) -> dict[str, object]:
    return {
        "id": digest(row.row_id).hex(),
        "row_id": row.row_id.encode().hex(),
        "agent": stored(row.agent),
        "session_id": stored(row.session_id),
        "user_id": stored(row.user_id),
        "trace_id": stored(row.trace_id),
        "purpose": stored(row.purpose),
        "provider": stored(row.provider),
        "model": stored(row.model),
        "state": row.state,
        "started_at": row.started_at,
        "seconds": row.seconds,
        **msgspec.structs.asdict(row.usage),
        "cost": to_units(row.cost_usd),
        "error": stored(row.error),
        "message_id": stored(row.message_id),
        "role": stored(row.role),
        "lead": stored(row.lead),
        "price": stored(to_text(row.price)),
        "estimate": to_units(row.estimate_usd),
    }


def _row(row: Record) -> UsageRow:
    return UsageRow(
        row_id=row["row_id"].decode(),
        agent=restored(row["agent"]),
        session_id=restored(row["session_id"]),
        user_id=restored(row["user_id"]),
        trace_id=restored(row["trace_id"]),
        purpose=restored(row["purpose"]),
        provider=restored(row["provider"]),
        model=restored(row["model"]),
        state=row["state"],
        started_at=row["started_at"],
        seconds=row["seconds"],
        usage=_usage(row),
        cost_usd=to_usd(row["cost"]),
        error=restored(row["error"]),
        message_id=restored(row["message_id"]),
        role=restored(row["role"]),
        lead=restored(row["lead"]),
        price=to_price(restored(row["price"])),
        estimate_usd=to_usd(row["estimate"]),
    )


def _usage(row: Record) -> Usage:
    return Usage(*(int(row[name]) for name in _TOKENS.split(", ")))


def _total(row: Record, words: int) -> UsageTotal:
    group = tuple(restored(row[f"word{number}"]) for number in range(words))
    counts = (row["calls"], row["failed"], row["unfinished"], row["unpriced"])
    return total(group, counts, _usage(row), int(row["cost"]), int(row["estimate"]))
