"""Records of a PostgreSQL store. Every function is part of the caller's transaction.

`attempt` names the call that wrote a version: one that is made again finds by it what it did before.
"""

from collections.abc import Sequence
from typing import NamedTuple

from emonk.errors import Conflict, Unavailable
from emonk.records import Record, SessionKey
from emonk.store.keys import end_of
from emonk.store.postgres import connection as postgres
from emonk.store.postgres.connection import Connection
from emonk.store.postgres.schema import digest, key_of, restored, start_of, stored
from emonk.store.record_protocol import Put
from emonk.store.refusals import changed

_COLUMNS = "namespace, key, data, version, updated_at, agent, session_id, state, due_at"
_SELECT = f"SELECT {_COLUMNS} FROM emonk.records"  # noqa: S608 - joins constants
_ONE = f"{_SELECT} WHERE id = $1"
# Selected, the time is taken once: else it is compared row by row, and no index can tell where to end.
_DUE = f"""{_SELECT} WHERE namespace_key = $1 AND due_at <= (SELECT emonk.now($2))
    ORDER BY due_at, start, key LIMIT $3"""
_WRITE = """WITH moment AS (SELECT emonk.now($2) AS at), asked AS (
        SELECT * FROM unnest($3::bytea[], $4::bytea[], $5::bytea[], $6::bytea[], $7::bytea[], $8::bigint[], $9::bytea[],
            $10::text[], $11::text[], $12::bytea[], $13::text[], $14::bigint[], $15::bytea[])
            AS asked (id, namespace_key, namespace, start, key, expected, session_key, agent, session_id, state_key,
                state, due_at, data)
    ), begun AS (
        INSERT INTO emonk.records SELECT id, namespace_key, namespace, start, key, 1, moment.at, session_key, agent,
            session_id, state_key, state, due_at, $1, data FROM asked, moment WHERE expected = 0
            ON CONFLICT (id) DO NOTHING RETURNING id
    ), changed AS (
        UPDATE emonk.records SET version = expected + 1, updated_at = moment.at, session_key = asked.session_key,
            agent = asked.agent, session_id = asked.session_id, state_key = asked.state_key, state = asked.state,
            due_at = asked.due_at, attempt = $1, data = asked.data
            FROM asked, moment WHERE records.id = asked.id AND expected > 0 AND version = expected RETURNING records.id
    )
    SELECT moment.at, (SELECT count(*) FROM begun) + (SELECT count(*) FROM changed) AS written FROM moment"""
_PRESENT = "SELECT id, version, attempt, updated_at FROM emonk.records WHERE id = ANY ($1::bytea[])"
_REMOVE = "DELETE FROM emonk.records WHERE id = $1 AND version = $2 RETURNING id"
_REMOVE_SESSION = "DELETE FROM emonk.records WHERE session_key = $1"


class Wanted(NamedTuple):
    """Which records of a namespace to list, and from where."""

    namespace: str
    prefix: str
    session: SessionKey | None
    state: str | None
    after: str
    limit: int


async def record(connection: Connection, namespace: str, key: str) -> Record | None:
    """One record, or None."""
    row = await connection.fetchrow(_ONE, digest(namespace, key))
    return None if row is None else _record(row)


async def put(
    connection: Connection, puts: Sequence[Put], attempt: bytes, now: int | None, *, again: bool
) -> list[Record]:
    """Write all or none; see `RecordStore.put`."""
    try:
        if len(puts) == 1:
            return await write(connection, puts, attempt, now)
        async with connection.transaction():
            return await write(connection, puts, attempt, now)
    except Conflict:
        done = await written(connection, puts, attempt) if again else None
        if done is None:
            raise
        return done


async def write(
    connection: Connection,
    puts: Sequence[Put],
    attempt: bytes,
    now: int | None,
    *,
    session: SessionKey | None = None,
) -> list[Record]:
    """Write records, of the session if one is given, in a transaction that a conflict must end unless it is one."""
    if not puts:
        return []
    columns = zip(*(_columns(put, session or put.session) for put in puts), strict=True)
    row = await connection.fetchrow(_WRITE, attempt, now, *map(list, columns))
    assert row is not None  # noqa: S101 - a moment is one row
    if row["written"] != len(puts):
        raise await _conflict(connection, puts, attempt)
    return [_put(put, session or put.session, row["at"]) for put in puts]


async def written(connection: Connection, puts: Sequence[Put], attempt: bytes) -> list[Record] | None:
    """The records where this call has written them before; None where it has not.

    Raises:
        Unavailable: code `outcome_not_known`: others have written since, so nobody can tell.
    """
    present = await _present(connection, puts)
    found = [present.get(digest(put.namespace, put.key)) for put in puts]
    if all(row is not None and row["attempt"] == attempt for row in found):
        return [_put(put, put.session, row["updated_at"]) for put, row in zip(puts, found, strict=True) if row]
    if any(row is not None and row["version"] > put.expected_version + 1 for put, row in zip(puts, found, strict=True)):
        raise Unavailable(
            "The connection was lost, and the record was changed since: the write may or may not have been kept",
            hint="read it again",
            code="outcome_not_known",
        )
    return None


async def remove(connection: Connection, namespace: str, key: str, version: int, *, again: bool) -> None:
    """Remove a record; see `RecordStore.remove`."""
    if await connection.fetchval(_REMOVE, digest(namespace, key), version) is not None:
        return
    present = await record(connection, namespace, key)
    if present is not None or not again:
        raise changed(namespace, key, present.version if present else 0, version)


async def remove_session(connection: Connection, session: SessionKey) -> None:
    """Remove all that belong to a session."""
    await connection.execute(_REMOVE_SESSION, key_of(session))


async def listed(connection: Connection, wanted: Wanted) -> list[Record]:
    """Records in the order of their keys; see `RecordStore.records`."""
    after, prefix, end = wanted.after.encode(), wanted.prefix.encode(), end_of(wanted.prefix)
    first = max(after, prefix)
    asked: list[tuple[str, object]] = [
        ("namespace_key =", digest(wanted.namespace)),
        ("start >=", start_of(first)),
        ("key >", after),
        ("key >=", prefix),
    ]
    if wanted.prefix and end is not None:
        asked += [("start <=", start_of(end.encode())), ("key <", end.encode())]
    if wanted.session is not None:
        asked.append(("session_key =", key_of(wanted.session)))
    if wanted.state is not None:
        asked.append(("state_key =", digest(wanted.state)) if wanted.state else ("state =", ""))
    conditions = " AND ".join(f"{condition} ${place}" for place, (condition, _) in enumerate(asked, 1))
    query = f"{_SELECT} WHERE {conditions} ORDER BY start, key LIMIT ${len(asked) + 1}"
    rows = await connection.fetch(query, *(value for _, value in asked), max(0, wanted.limit))
    return [_record(row) for row in rows]


async def due(connection: Connection, namespace: str, now: int | None, limit: int) -> list[Record]:
    """Records whose time has come; see `RecordStore.due_records`."""
    return [_record(row) for row in await connection.fetch(_DUE, digest(namespace), now, max(0, limit))]


async def _present(connection: Connection, puts: Sequence[Put]) -> dict[bytes, postgres.Record]:
    ids = [digest(put.namespace, put.key) for put in puts]
    return {row["id"]: row for row in await connection.fetch(_PRESENT, ids)}


async def _conflict(connection: Connection, puts: Sequence[Put], attempt: bytes) -> Conflict:
    """About the first record that is in the way; those that were written have our attempt."""
    present = await _present(connection, puts)
    for put in puts:
        row = present.get(digest(put.namespace, put.key))
        if row is None or row["attempt"] != attempt:
            return changed(put.namespace, put.key, row["version"] if row else 0, put.expected_version)
    return Conflict("A record was changed by somebody else")


def _columns(put: Put, session: SessionKey | None) -> tuple[object, ...]:
    key = put.key.encode()
    names = (None, None, None)
    if session is not None:
        names = (key_of(session), stored(session.agent), stored(session.session_id))
    return (
        digest(put.namespace, put.key),
        digest(put.namespace),
        put.namespace.encode(),
        start_of(key),
        key,
        put.expected_version,
        *names,
        digest(put.state) if put.state else None,
        stored(put.state),
        put.due_at,
        put.data,
    )


def _put(put: Put, session: SessionKey | None, at: int) -> Record:
    return Record(
        namespace=put.namespace,
        key=put.key,
        data=put.data,
        version=put.expected_version + 1,
        updated_at=at,
        session=session,
        state=put.state,
        due_at=put.due_at,
    )


def _record(row: postgres.Record) -> Record:
    session = None if row["agent"] is None else SessionKey(restored(row["agent"]), restored(row["session_id"]))
    return Record(
        namespace=row["namespace"].decode(),
        key=row["key"].decode(),
        data=row["data"],
        version=row["version"],
        updated_at=row["updated_at"],
        session=session,
        state=restored(row["state"]),
        due_at=row["due_at"],
    )
