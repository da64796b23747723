"""Whole sessions of a SQLite store: begun, changed, removed, brought back. All is part of the caller's transaction."""

import sqlite3
from typing import cast

import msgspec

from emonk.records import Session, SessionKey
from emonk.store.grant import lapsed
from emonk.store.refusals import busy, exists
from emonk.store.sqlite import listing, log, records
from emonk.store.whole import Whole

_json = msgspec.json.Encoder()

_INSERT = """INSERT OR IGNORE INTO sessions (agent, session_id, created_at, last_active, revision, message_count,
    title, token_count, participants, cutoff, fence) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_JOIN = "INSERT INTO participants (user_id, session) VALUES (?, ?)"
_LEAVE = "DELETE FROM participants WHERE user_id = ? AND session = ?"
_SET_METADATA = "INSERT OR REPLACE INTO metadata (session, data) VALUES (?, ?)"
_REMOVE_METADATA = "DELETE FROM metadata WHERE session = ?"
_RENAME = "UPDATE sessions SET title = ? WHERE number = ?"
_BUSY_SINCE = """SELECT last_active > ?1 OR EXISTS (SELECT 1 FROM inbox WHERE session = ?2 AND reply IS NULL)
    FROM sessions WHERE number = ?2"""
_REMOVE_INBOX = "DELETE FROM inbox WHERE session = ?"
_REMOVE = "DELETE FROM sessions WHERE number = ?"


def insert(connection: sqlite3.Connection, whole: Whole, now: int) -> Session:
    """A session that nobody holds, with its log; see `Store.create` and `Store.restore`."""
    info = whole.at(now)
    users = _json.encode(info.participants).decode()
    values = (info.agent, info.session_id, info.created_at, info.last_active, info.revision, info.message_count)
    done = connection.execute(_INSERT, (*values, info.title, info.token_count, users, whole.cutoff, now))
    if done.rowcount != 1:
        raise exists(info.key)
    number = cast("int", done.lastrowid)
    connection.executemany(_JOIN, [(user, number) for user in info.participants])
    log.insert(connection, number, whole.events)
    _set_metadata(connection, number, whole.metadata)
    return info


def describe(
    connection: sqlite3.Connection, session: SessionKey, title: str | None, metadata: bytes | None
) -> Session | None:
    """Change what is given, and say what it is now; see `Store.describe`."""
    row = log.find(connection, session)
    if row is None:
        return None
    if title is not None:
        connection.execute(_RENAME, (title, row.number))
    if metadata is not None:
        _set_metadata(connection, row.number, metadata)
    return listing.session(connection, session)


def delete(connection: sqlite3.Connection, session: SessionKey, idle_since: int | None, now: int) -> bool:
    """Remove a session and all that it holds; see `Store.delete`."""
    row = log.find(connection, session)
    if row is None:
        return False
    if idle_since is not None and connection.execute(_BUSY_SINCE, (idle_since, row.number)).fetchone()[0]:
        return False
    if not lapsed(row.owner, row.expires, now):
        raise busy(session)
    users = listing.participants(connection, row.number)
    log.remove(connection, row.number)
    connection.execute(_REMOVE_INBOX, (row.number,))
    connection.execute(_REMOVE_METADATA, (row.number,))
    connection.executemany(_LEAVE, [(user, row.number) for user in users])
    records.remove_session(connection, session)
    connection.execute(_REMOVE, (row.number,))
    return True


def _set_metadata(connection: sqlite3.Connection, number: int, metadata: bytes) -> None:
    if metadata:
        connection.execute(_SET_METADATA, (number, metadata))
    else:
        connection.execute(_REMOVE_METADATA, (number,))
