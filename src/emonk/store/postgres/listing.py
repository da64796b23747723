"""Listings of a PostgreSQL store's sessions."""

from typing import NamedTuple

from emonk.records import Session, SessionKey
from emonk.store.limits import decoded_metadata
from emonk.store.postgres.connection import Connection, Record
from emonk.store.postgres.schema import digest, key_of, restored, stored

_COLUMNS = """SELECT agent, session_id, created_at, last_active, revision, message_count, participants, title,
    cutoff, number, token_count, metadata FROM emonk.sessions"""
_ONE = f"{_COLUMNS} WHERE key = $1"
# The next page begins before the last one's time, so sessions of the very same microsecond stay together.
_PAGE = f"""{_COLUMNS} WHERE ($1::bigint IS NULL OR last_active < $1) AND ($2::text IS NULL OR agent = $2)
    AND ($3::text IS NULL OR session_id = $3) AND ($4::bytea IS NULL OR number IN (
        SELECT session FROM emonk.participants WHERE user_key = $4))
    ORDER BY last_active DESC"""  # noqa: S608 - joins constants
_ROWS = f"SELECT * FROM ({_PAGE} FETCH FIRST $5 ROWS WITH TIES) AS page ORDER BY last_active DESC, number DESC"  # noqa: S608 - joins constants


class Wanted(NamedTuple):
    """Which sessions to list; None is any."""

    agent: str | None
    user_id: str | None
    session_id: str | None


async def session(connection: Connection, key: SessionKey) -> Session | None:
    """One session, or None."""
    row = await connection.fetchrow(_ONE, key_of(key))
    return None if row is None else _info(row)


async def sessions(connection: Connection, wanted: Wanted, limit: int, before: int | None) -> list[Session]:
    """A page of sessions; see `Store.sessions`."""
    agent, session_id = (None if text is None else stored(text) for text in (wanted.agent, wanted.session_id))
    user_key = None if wanted.user_id is None else digest(wanted.user_id)
    rows = await connection.fetch(_ROWS, before, agent, session_id, user_key, max(0, limit))
    return [_info(row) for row in rows]


def _info(row: Record) -> Session:
    participants = tuple(restored(user) for user in row["participants"])
    return Session(
        agent=restored(row["agent"]),
        session_id=restored(row["session_id"]),
        user_id=participants[0] if participants else "",
        participants=participants,
        created_at=row["created_at"],
        last_active=row["last_active"],
        revision=row["revision"],
        message_count=row["message_count"],
        title=restored(row["title"]),
        token_count=row["token_count"],
        context_compressed=row["cutoff"] > 0,
        metadata=decoded_metadata(row["metadata"]),
    )
