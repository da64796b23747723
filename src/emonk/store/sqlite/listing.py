"""Listings of a SQLite store's sessions. Every function is part of the caller's transaction."""

import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from emonk.records import Session, SessionKey
from emonk.store.limits import decoded_metadata

_users = msgspec.json.Decoder(tuple[str, ...])
_COLUMNS = """SELECT agent, session_id, created_at, last_active, revision, message_count, participants, title,
    cutoff, token_count, (SELECT data FROM metadata WHERE session = number)
    FROM sessions"""
_PARTICIPANTS = "SELECT participants FROM sessions WHERE number = ?"
_ONE = f"{_COLUMNS} WHERE agent = ? AND session_id = ?"
_FILTERED = f"""{_COLUMNS} WHERE last_active < ifnull(?1, 9223372036854775807) AND (?2 IS NULL OR agent = ?2)
    AND (?3 IS NULL OR session_id = ?3)"""
_ORDERED = "ORDER BY last_active DESC, number DESC"
_PAGE = f"{_FILTERED} {_ORDERED}"
_PAGE_OF_USER = f"{_FILTERED} AND number IN (SELECT session FROM participants WHERE user_id = ?4) {_ORDERED}"  # noqa: S608 - joins constants
_PAGE_OF_BUSY_USER = f"""{_FILTERED} AND EXISTS (
    SELECT 1 FROM participants WHERE user_id = ?4 AND session = number) {_ORDERED}"""  # noqa: S608 - joins constants
_MANY = 1000
"""Sessions of a user: rather than to sort more than these, all sessions are looked at, the last active first."""
_IS_BUSY = "SELECT count(*) = ?2 FROM (SELECT 1 FROM participants WHERE user_id = ?1 LIMIT ?2)"

_Row = tuple[str, str, int, int, int, int, str, str, int, int, bytes | None]


class Wanted(NamedTuple):
    """Which sessions to list; None is any."""

    agent: str | None
    user_id: str | None
    session_id: str | None


def session(connection: sqlite3.Connection, key: SessionKey) -> Session | None:
    """One session, or None."""
    row = connection.execute(_ONE, (key.agent, key.session_id)).fetchone()
    return None if row is None else _info(row)


def sessions(connection: sqlite3.Connection, wanted: Wanted, limit: int, before: int | None) -> list[Session]:
    """A page of sessions; see `Store.sessions`."""
    values = (before, wanted.agent, wanted.session_id)
    if wanted.user_id is None:
        return _page(connection.execute(_PAGE, values), limit)
    (is_busy,) = connection.execute(_IS_BUSY, (wanted.user_id, _MANY)).fetchone()
    query = _PAGE_OF_BUSY_USER if is_busy else _PAGE_OF_USER
    return _page(connection.execute(query, (*values, wanted.user_id)), limit)


def participants(connection: sqlite3.Connection, number: int) -> tuple[str, ...]:
    """The users of the session of that number."""
    return _users.decode(connection.execute(_PARTICIPANTS, (number,)).fetchone()[0])


def _page(rows: Iterable[_Row], limit: int) -> list[Session]:
    """The next page begins before the last one's time, so sessions of the very same microsecond stay together."""
    page: list[Session] = []
    for row in rows:
        info = _info(row)
        if len(page) >= limit and (not page or info.last_active != page[-1].last_active):
            break
        page.append(info)
    return page


def _info(row: _Row) -> Session:
    agent, session_id, created_at, last_active, revision, message_count, users, title, cutoff, tokens, metadata = row
    participants = _users.decode(users)
    return Session(
        agent=agent,
        session_id=session_id,
        user_id=participants[0] if participants else "",
        participants=participants,
        created_at=created_at,
        last_active=last_active,
        revision=revision,
        message_count=message_count,
        title=title,
        token_count=tokens,
        context_compressed=cutoff > 0,
        metadata=decoded_metadata(metadata),
    )
