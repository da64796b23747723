"""Whole sessions of a PostgreSQL store: begun, changed, removed, brought back.

A function that is told that it runs `again` may have been carried out before, see `emonk.store.postgres.log`.
"""

from typing import NamedTuple

from emonk.records import Session, SessionKey
from emonk.store.grant import lapsed
from emonk.store.postgres import listing, log, records
from emonk.store.postgres.connection import Connection
from emonk.store.postgres.schema import digest, key_of, stored
from emonk.store.refusals import busy, exists
from emonk.store.whole import Whole

_NOW = "SELECT emonk.now($1)"
_INSERT = """INSERT INTO emonk.sessions (key, agent, session_id, created_at, last_active, revision, message_count,
    title, token_count, participants, cutoff, fence, metadata, attempt)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) ON CONFLICT (key) DO NOTHING
    RETURNING number"""
_JOIN = "INSERT INTO emonk.participants (user_key, session) SELECT unnest($1::bytea[]), $2 ON CONFLICT DO NOTHING"
_LEAVE = "DELETE FROM emonk.participants WHERE user_key = ANY ($1::bytea[]) AND session = $2"
_DESCRIBE = """UPDATE emonk.sessions SET title = coalesce($2, title),
    metadata = CASE WHEN $3::bytea IS NULL THEN metadata ELSE nullif($3, '') END WHERE key = $1"""
_STATE = """SELECT emonk.now($2) AS now, last_active,
    EXISTS (SELECT FROM emonk.inbox WHERE session = sessions.number AND reply IS NULL) AS waiting
    FROM emonk.sessions WHERE number = $1"""
_REMOVE_INBOX = "DELETE FROM emonk.inbox WHERE session = $1"
_REMOVE = "DELETE FROM emonk.sessions WHERE number = $1"


async def insert(connection: Connection, whole: Whole, attempt: bytes, now: int | None, *, again: bool) -> Session:
    """A session that nobody holds, with its log; see `Store.create` and `Store.restore`."""
    async with connection.transaction():
        at: int = await connection.fetchval(_NOW, now)
        info = whole.at(at)
        number: int | None = await connection.fetchval(_INSERT, *_columns(whole, info, at, attempt))
        if number is None:
            return await _inserted_before(connection, info, attempt, again=again)
        await connection.execute(_JOIN, [digest(user) for user in info.participants], number)
        await log.insert(connection, number, at, whole.events)
    return info


async def describe(
    connection: Connection, session: SessionKey, title: str | None, metadata: bytes | None
) -> Session | None:
    """Change what is given, and say what it is now; see `Store.describe`."""
    name = None if title is None else stored(title)
    await connection.execute(_DESCRIBE, key_of(session), name, metadata)
    return await listing.session(connection, session)


class Deletion(NamedTuple):
    """Which session to delete. `found` has its number once it was seen, by which a second run knows it from another."""

    session: SessionKey
    idle_since: int | None
    now: int | None
    found: list[int]


async def delete(connection: Connection, asked: Deletion) -> bool:
    """Remove a session and all that it holds; see `Store.delete`."""
    async with connection.transaction():
        row = await log.hold(connection, asked.session)
        if row is None or asked.found not in ([], [row.number]):
            return bool(asked.found)
        state = await connection.fetchrow(_STATE, row.number, asked.now)
        assert state is not None  # noqa: S101 - its row is ours
        if asked.idle_since is not None and (state["waiting"] or state["last_active"] > asked.idle_since):
            return False
        if not lapsed(row.owner, row.expires, state["now"]):
            raise busy(asked.session)
        asked.found[:] = [row.number]
        info = await listing.session(connection, asked.session)
        users = info.participants if info else ()
        await log.remove(connection, row.number)
        await connection.execute(_REMOVE_INBOX, row.number)
        await connection.execute(_LEAVE, [digest(user) for user in users], row.number)
        await records.remove_session(connection, asked.session)
        await connection.execute(_REMOVE, row.number)
    return True


async def _inserted_before(connection: Connection, info: Session, attempt: bytes, *, again: bool) -> Session:
    row = await log.hold(connection, info.key)
    if not again or row is None or row.attempt != attempt:
        raise exists(info.key)
    kept = await listing.session(connection, info.key)
    return kept or info


def _columns(whole: Whole, info: Session, at: int, attempt: bytes) -> tuple[object, ...]:
    return (
        key_of(info.key),
        stored(info.agent),
        stored(info.session_id),
        info.created_at,
        info.last_active,
        info.revision,
        info.message_count,
        stored(info.title),
        info.token_count,
        [stored(user) for user in info.participants],
        whole.cutoff,
        at,
        whole.metadata or None,
        attempt,
    )
