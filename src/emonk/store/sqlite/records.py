"""Records of a SQLite store. Every function is part of the caller's transaction."""

import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

from emonk.errors import Conflict
from emonk.records import Record, SessionKey
from emonk.store.keys import end_of
from emonk.store.record_protocol import Put
from emonk.store.refusals import changed

_COLUMNS = "SELECT namespace, key, data, version, updated_at, agent, session_id, state, due_at FROM records"
_ONE = f"{_COLUMNS} WHERE namespace = ? AND key = ?"
_DUE = f"{_COLUMNS} WHERE namespace = ? AND due_at <= ? ORDER BY due_at, key LIMIT ?"
_BEGIN = """INSERT OR IGNORE INTO records (data, updated_at, agent, session_id, state, due_at, version, namespace, key)
    VALUES (?, ?, ?, ?, ?, ?, 1, ?, ?)"""
_CHANGE = """UPDATE records SET data = ?, updated_at = ?, agent = ?, session_id = ?, state = ?, due_at = ?,
    version = version + 1 WHERE namespace = ? AND key = ? AND version = ?"""
_REMOVE = "DELETE FROM records WHERE namespace = ? AND key = ? AND version = ?"
_REMOVE_SESSION = "DELETE FROM records WHERE agent = ? AND session_id = ?"

_Row = tuple[str, str, bytes, int, int, str | None, str, str, int | None]


class Wanted(NamedTuple):
    """Which records of a namespace to list, and from where."""

    namespace: str
    prefix: str
    session: SessionKey | None
    state: str | None
    after: str
    limit: int


def record(connection: sqlite3.Connection, namespace: str, key: str) -> Record | None:
    """One record, or None."""
    row = connection.execute(_ONE, (namespace, key)).fetchone()
    return None if row is None else _record(row)


def put(
    connection: sqlite3.Connection, puts: Iterable[Put], now: int, session: SessionKey | None = None
) -> list[Record]:
    """Write records, of the session if one is given; see `RecordStore.put`."""
    return [_put(connection, put, now, session or put.session) for put in puts]


def remove(connection: sqlite3.Connection, namespace: str, key: str, version: int) -> None:
    """Remove a record; see `RecordStore.remove`."""
    if connection.execute(_REMOVE, (namespace, key, version)).rowcount != 1:
        raise _conflict(connection, namespace, key, version)


def remove_session(connection: sqlite3.Connection, session: SessionKey) -> None:
    """Remove all that belong to a session."""
    connection.execute(_REMOVE_SESSION, (session.agent, session.session_id))


def listed(connection: sqlite3.Connection, wanted: Wanted) -> list[Record]:
    """Records in the order of their keys; see `RecordStore.records`."""
    # One beginning: of two, the index would take the first, and look at all that lies between them.
    first = "key >= ?" if wanted.prefix > wanted.after else "key > ?"
    conditions, values = ["namespace = ?", first], [wanted.namespace, max(wanted.prefix, wanted.after)]
    end = end_of(wanted.prefix) if wanted.prefix else None
    if end is not None:
        conditions.append("key < ?")
        values.append(end)
    if wanted.session is not None:
        conditions += ["agent = ?", "session_id = ?"]
        values += [wanted.session.agent, wanted.session.session_id]
    if wanted.state is not None:
        conditions.append("state = ?")
        values.append(wanted.state)
        if wanted.state:
            conditions.append("state <> ''")  # by which the index is known to hold it
    query = f"{_COLUMNS} WHERE {' AND '.join(conditions)} ORDER BY key LIMIT ?"
    return [_record(row) for row in connection.execute(query, (*values, max(0, wanted.limit)))]


def due(connection: sqlite3.Connection, namespace: str, now: int, limit: int) -> list[Record]:
    """Records whose time has come; see `RecordStore.due_records`."""
    return [_record(row) for row in connection.execute(_DUE, (namespace, now, max(0, limit)))]


def _put(connection: sqlite3.Connection, put: Put, now: int, session: SessionKey | None) -> Record:
    agent, session_id = (None, None) if session is None else (session.agent, session.session_id)
    values = (put.data, now, agent, session_id, put.state, put.due_at, put.namespace, put.key)
    if put.expected_version == 0:
        written = connection.execute(_BEGIN, values).rowcount
    else:
        written = connection.execute(_CHANGE, (*values, put.expected_version)).rowcount
    if written != 1:
        raise _conflict(connection, put.namespace, put.key, put.expected_version)
    return Record(
        namespace=put.namespace,
        key=put.key,
        data=put.data,
        version=put.expected_version + 1,
        updated_at=now,
        session=session,
        state=put.state,
        due_at=put.due_at,
    )


def _conflict(connection: sqlite3.Connection, namespace: str, key: str, version: int) -> Conflict:
    present = record(connection, namespace, key)
    return changed(namespace, key, present.version if present else 0, version)


def _record(row: _Row) -> Record:
    namespace, key, data, version, updated_at, agent, session_id, state, due_at = row
    return Record(
        namespace=namespace,
        key=key,
        data=data,
        version=version,
        updated_at=updated_at,
        session=None if agent is None else SessionKey(agent, session_id),
        state=state,
        due_at=due_at,
    )
