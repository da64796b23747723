"""The event log of a SQLite store and its one writer. Every function is part of the caller's transaction."""

import sqlite3
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import msgspec

from emonk.errors import StaleSession
from emonk.records import Lease, SessionKey
from emonk.store.change import LEASE_MICROSECONDS, Change, Row
from emonk.store.sqlite import records, usage

_REVISIONS = 1 << 32
_json = msgspec.json.Encoder()

_FIND = """SELECT number, revision, cutoff, fence, owner, expires, title FROM sessions
    WHERE agent = ? AND session_id = ?"""
_MOST = 3 * 64  # values of rows that are written by one statement
_READ = """SELECT place - ?1, at, data FROM events WHERE place > ?1 + ?2 AND place < ?1 + ?3
    ORDER BY place LIMIT ?4"""
_HELD = """SELECT number FROM sessions
    WHERE agent = ? AND session_id = ? AND fence = ? AND revision = ? AND owner IS NOT NULL"""
_ADVANCE = """UPDATE sessions SET revision = ?, cutoff = ifnull(?, cutoff), owner = iif(?, NULL, owner),
    last_active = ifnull(?, last_active), token_count = ifnull(?, token_count)
    WHERE number = ?"""
_FINISH = """UPDATE inbox SET reply = ?
    WHERE session = ? AND message_id = ? AND revision IS NOT NULL AND reply IS NULL"""
_REMOVE = "DELETE FROM events WHERE place > ? AND place < ?"
_RENEW = """UPDATE sessions SET expires = ?
    WHERE agent = ? AND session_id = ? AND fence = ? AND owner IS NOT NULL"""
_RELEASE = """UPDATE sessions SET owner = NULL
    WHERE agent = ? AND session_id = ? AND fence = ? AND owner = ? AND expires = ?"""


class SessionRow(NamedTuple):
    """What decides who may write to a session, and where."""

    session: SessionKey
    number: int
    revision: int
    cutoff: int
    fence: int
    owner: bytes | None
    expires: int
    title: str


def find(connection: sqlite3.Connection, session: SessionKey) -> SessionRow | None:
    """The session's row, or None."""
    row = connection.execute(_FIND, (session.agent, session.session_id)).fetchone()
    return None if row is None else SessionRow(session, *row)


def commit(connection: sqlite3.Connection, made: Change, fence: Lease, expected_revision: int, now: int) -> int:
    """Apply the change; see `Store.commit`."""
    session, revision = fence.session, expected_revision + len(made.events)
    active = None if made.reply is None else now
    held = (session.agent, session.session_id, fence.fence, expected_revision)
    found = connection.execute(_HELD, held).fetchone()
    if found is None:
        raise _stale(connection, fence, expected_revision)
    number: int = found[0]
    # Apart from the search: an UPDATE with RETURNING keeps what it returns in a table of its own.
    connection.execute(_ADVANCE, (revision, made.cutoff, int(made.release), active, made.token_count, number))
    append(connection, number, expected_revision, made.events, now)
    if made.reply is not None:
        finish = (bytearray(made.reply), number, made.message_id)
        if connection.execute(_FINISH, finish).rowcount != 1:
            raise StaleSession(f"Message {made.message_id} of session {session.session_id} is not being answered")
    if made.puts:
        records.put(connection, made.puts, now, session)
    if made.rows:
        usage.bill(connection, made.rows)
    return revision


def append(connection: sqlite3.Connection, number: int, revision: int, events: Iterable[bytes], now: int) -> None:
    """Add encoded events after `revision`."""
    place = number * _REVISIONS + revision + 1
    rows: list[object] = []
    for data in events:
        # As `bytes` it would be looked up whether they are to be adapted, at a cost like that of writing them.
        rows += (place, now, bytearray(data))
        place += 1
    for at in range(0, len(rows), _MOST):
        some = rows[at : at + _MOST]
        connection.execute(_append(len(some) // 3), some)


@lru_cache
def _append(count: int) -> str:
    """Several rows in one statement, which costs less than as many."""
    return f"INSERT INTO events (place, at, data) VALUES {', '.join(['(?, ?, ?)'] * count)}"  # noqa: S608 - joins constants


def insert(connection: sqlite3.Connection, number: int, rows: Iterable[Row]) -> None:
    """Add events that have a place and a time already."""
    start = number * _REVISIONS
    connection.executemany(_append(1), ((start + revision, at, data) for revision, at, data in rows))


def remove(connection: sqlite3.Connection, number: int) -> None:
    """Remove a session's whole log."""
    connection.execute(_REMOVE, (number * _REVISIONS, (number + 1) * _REVISIONS))


def renew(connection: sqlite3.Connection, lease: Lease, now: int) -> Lease:
    """Move the expiry; see `Store.renew`."""
    expires = now + LEASE_MICROSECONDS
    session = lease.session
    values = (expires, session.agent, session.session_id, lease.fence)
    if connection.execute(_RENEW, values).rowcount != 1:
        raise StaleSession(f"Session {session.session_id} is not held any more", hint="another writer took it over")
    return msgspec.structs.replace(lease, expires=expires)


def release(connection: sqlite3.Connection, lease: Lease) -> None:
    """Give back a lease as it was granted; its number alone may be another's, if it was never committed."""
    session = lease.session
    values = (session.agent, session.session_id, lease.fence, _json.encode(lease.owner), lease.expires)
    connection.execute(_RELEASE, values)


def read(connection: sqlite3.Connection, row: SessionRow, after: int, limit: int | None = None) -> list[Row]:
    """The session's log from the revision after `after`, to be decoded where nobody waits for the transaction."""
    values = (row.number * _REVISIONS, after, _REVISIONS, -1 if limit is None else limit)
    return connection.execute(_READ, values).fetchall()


def _stale(connection: sqlite3.Connection, fence: Lease, expected_revision: int) -> StaleSession:
    name = fence.session.session_id
    row = find(connection, fence.session)
    if row is None or row.owner is None or row.fence != fence.fence:
        return StaleSession(f"Session {name} is not held any more", hint="another writer took it over")
    return StaleSession(f"Session {name} is at revision {row.revision}, not {expected_revision}")
