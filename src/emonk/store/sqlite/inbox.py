"""The inbox of a SQLite store, and who gets the next turn. Every function is part of the caller's transaction."""

import sqlite3
from typing import cast

import msgspec

from emonk.events import InboxItem, decode
from emonk.records import Lease, Owner, Reply, SessionKey
from emonk.store.change import LEASE_MICROSECONDS, Row
from emonk.store.grant import Granted, Next, lapsed, title_of
from emonk.store.protocol import INBOX_LIMIT, Accepted
from emonk.store.sqlite.log import SessionRow, append, find, read

_owner_encoder = msgspec.json.Encoder()
_reply_decoder = msgspec.json.Decoder(Reply)

_BEGIN = """INSERT INTO sessions (agent, session_id, created_at, last_active, revision, message_count, title, fence,
    owner, expires, participants) VALUES (?1, ?2, ?3, ?3, ?4, ?4, ?5, ?3 + ?4, ?6, ?7, json_array(?8))"""
_JOIN = "INSERT OR IGNORE INTO participants (user_id, session) VALUES (?, ?)"
_JOINED = "UPDATE sessions SET participants = json_insert(participants, '$[#]', ?) WHERE number = ?"
_STATE = """SELECT count(*), count(revision), (SELECT number FROM inbox WHERE session = ?1 AND message_id = ?2)
    FROM inbox WHERE session = ?1 AND reply IS NULL"""
_PUT = "INSERT INTO inbox (session, message_id, user_id, accepted_at, event) VALUES (?, ?, ?, ?, ?)"
_PUT_TAKEN = "INSERT INTO inbox (session, message_id, user_id, accepted_at, revision) VALUES (?, ?, ?, ?, ?)"
_NEXT = """SELECT number, message_id, user_id, accepted_at, event, revision FROM inbox
    WHERE session = ? AND reply IS NULL ORDER BY number LIMIT 1"""
_TAKE = "UPDATE inbox SET event = NULL, revision = ? WHERE number = ?"
_TAKEN = """UPDATE sessions SET revision = ?, fence = ?, owner = ?, expires = ?,
    message_count = message_count + ?, title = ?, last_active = ? WHERE number = ?"""
_REPLY = "SELECT reply FROM inbox WHERE number = ?"
_REPLY_TO = """SELECT inbox.reply FROM inbox JOIN sessions ON sessions.number = inbox.session
    WHERE agent = ? AND session_id = ? AND message_id = ?"""
# A cross join is not reordered: else all sessions of the agent would be looked at for what waits in them.
_DUE = """SELECT session_id, owner, expires FROM inbox CROSS JOIN sessions ON sessions.number = inbox.session
    WHERE reply IS NULL AND agent = ? GROUP BY inbox.session ORDER BY min(inbox.number)"""


def accept(
    connection: sqlite3.Connection, item: InboxItem, data: bytes, owner: Owner | None, now: int
) -> tuple[Accepted, Granted | None]:
    """Put the item, encoded as `data`, into the inbox; see `Store.accept`."""
    row = find(connection, item.session)
    if row is None:
        return _begin(connection, item, data, owner, now)
    unfinished, taken, earlier = connection.execute(_STATE, (row.number, item.message_id)).fetchone()
    if earlier is not None:
        return _repeated(connection, row, earlier, owner, now)
    if unfinished - taken >= INBOX_LIMIT:
        return Accepted("full"), None
    if connection.execute(_JOIN, (item.user_id, row.number)).rowcount:
        connection.execute(_JOINED, (item.user_id, row.number))
    kept = Next(0, item.message_id, item.user_id, now, data, None)
    if owner is None or unfinished or not _available(row, now):
        _put(connection, row.number, kept, None)
        return Accepted("new"), None
    _put(connection, row.number, kept, row.revision + 1)
    append(connection, row.number, row.revision, (data,), now)
    return Accepted("new"), _grant(connection, row, kept, owner, now)


def claim(connection: sqlite3.Connection, session: SessionKey, owner: Owner, now: int) -> Granted | None:
    """Give the owner the next turn; see `Store.claim`."""
    row = find(connection, session)
    if row is None or not _available(row, now):
        return None
    item = _next(connection, row.number)
    return None if item is None else _take(connection, row, item, owner, now)


def reply(connection: sqlite3.Connection, session: SessionKey, message_id: str) -> Reply | None:
    """The reply to a message, or None."""
    found = connection.execute(_REPLY_TO, (session.agent, session.session_id, message_id)).fetchone()
    return None if found is None or found[0] is None else _reply_decoder.decode(found[0])


def due(connection: sqlite3.Connection, agent: str, limit: int, now: int) -> list[SessionKey]:
    """Sessions whose turn can be claimed, oldest item first."""
    sessions: list[SessionKey] = []
    for session_id, owner, expires in connection.execute(_DUE, (agent,)):
        if len(sessions) >= limit:
            break
        if lapsed(owner, expires, now):
            sessions.append(SessionKey(agent, session_id))
    return sessions


def _begin(
    connection: sqlite3.Connection, item: InboxItem, data: bytes, owner: Owner | None, now: int
) -> tuple[Accepted, Granted | None]:
    """The session begins with this message and, if there is an owner, with its turn: the row is written once."""
    session, kept = item.session, Next(0, item.message_id, item.user_id, now, data, None)
    if owner is None:
        number = _insert(connection, (session.agent, session.session_id, now, 0, "", None, 0, item.user_id))
        _put(connection, number, kept, None)
        return Accepted("new"), None
    lease = Lease(session, owner, now + 1, now + LEASE_MICROSECONDS)
    held = (bytearray(_owner_encoder.encode(owner)), lease.expires)
    values = (session.agent, session.session_id, now, 1, title_of(item.event), *held, item.user_id)
    number = _insert(connection, values)
    _put(connection, number, kept, 1)
    append(connection, number, 0, (data,), now)
    return Accepted("new"), Granted(lease, kept, 1, 1, [(1, now, data)], [], resumed=False)


def _insert(connection: sqlite3.Connection, values: tuple[object, ...]) -> int:
    """A session's row and its first participant; the session's number."""
    number = cast("int", connection.execute(_BEGIN, values).lastrowid)
    connection.execute(_JOIN, (values[-1], number))
    return number


def _put(connection: sqlite3.Connection, session: int, item: Next, revision: int | None) -> None:
    put = (session, item.message_id, item.user_id, item.accepted_at)
    if revision is None:
        connection.execute(_PUT, (*put, item.event))
    else:
        connection.execute(_PUT_TAKEN, (*put, revision))


def _repeated(
    connection: sqlite3.Connection, row: SessionRow, number: int, owner: Owner | None, now: int
) -> tuple[Accepted, Granted | None]:
    (stored,) = connection.execute(_REPLY, (number,)).fetchone()
    if stored is not None:
        return Accepted("repeated", _reply_decoder.decode(stored)), None
    item = _next(connection, row.number)
    if owner is None or item is None or item.number != number or not _available(row, now):
        return Accepted("repeated"), None
    return Accepted("repeated"), _take(connection, row, item, owner, now)


def _next(connection: sqlite3.Connection, session: int) -> Next | None:
    """Items are taken in the order of acceptance, so the one that was begun is the oldest one."""
    found = connection.execute(_NEXT, (session,)).fetchone()
    return None if found is None else Next(*found)


def _available(row: SessionRow, now: int) -> bool:
    return lapsed(row.owner, row.expires, now)


def _take(connection: sqlite3.Connection, row: SessionRow, item: Next, owner: Owner, now: int) -> Granted:
    if item.event is not None:
        append(connection, row.number, row.revision, (item.event,), now)
        connection.execute(_TAKE, (row.revision + 1, item.number))
    return _grant(connection, row, item, owner, now)


def _grant(connection: sqlite3.Connection, row: SessionRow, item: Next, owner: Owner, now: int) -> Granted:
    """The lease, with the log as it is now that the item's event is in it."""
    resumed = item.revision is not None
    begun = item.revision or row.revision + 1
    lease = Lease(row.session, owner, row.fence + 1, now + LEASE_MICROSECONDS)
    revision = max(row.revision, begun)
    title = row.title or ("" if item.event is None else title_of(decode(item.event)))
    values = (revision, lease.fence, _owner_encoder.encode(owner), lease.expires, not resumed, title, now, row.number)
    connection.execute(_TAKEN, values)
    if item.event is not None and row.revision == 0:
        log: list[Row] = [(begun, now, item.event)]  # the session begins, and this is all of it
    else:
        log = read(connection, row, row.cutoff)
    covered = [] if begun > row.cutoff else read(connection, row, begun - 1, 1)
    return Granted(lease, item, begun, revision, log, covered, resumed)
