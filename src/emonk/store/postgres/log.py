"""The event log of a PostgreSQL store and its one writer. Every function is part of the caller's transaction.

A function that is told that it runs `again` may have been carried out before, by a connection that was lost before it
could tell. It holds the session's row while it looks, and does the work where it was not done, after which what may
still be under way on the lost connection finds nothing to do.
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from emonk.errors import StaleSession
from emonk.records import Lease, SessionKey
from emonk.store.change import LEASE_MICROSECONDS, Change, Row
from emonk.store.postgres import records, usage
from emonk.store.postgres.connection import Connection, Record
from emonk.store.postgres.schema import digest, key_of

_json = msgspec.json.Encoder()

_FIND = """SELECT number, revision, cutoff, fence, owner, expires, title, attempt FROM emonk.sessions WHERE key = $1"""
_HOLD = f"{_FIND} FOR UPDATE"
_CHANGE = """WITH moment AS (SELECT emonk.now($9) AS at),
    held AS (
        UPDATE emonk.sessions SET revision = $3 + cardinality($4::bytea[]), cutoff = coalesce($5, cutoff),
            owner = CASE WHEN $6::bool THEN NULL ELSE owner END,
            last_active = CASE WHEN $7::bytea IS NULL THEN last_active ELSE moment.at END,
            token_count = coalesce($10, token_count)
        FROM moment
        WHERE key = $1 AND fence = $2 AND sessions.revision = $3 AND owner IS NOT NULL
            AND ($7::bytea IS NULL OR EXISTS (
            SELECT FROM emonk.inbox WHERE session = sessions.number AND message_key = $8
                AND inbox.revision IS NOT NULL AND reply IS NULL))
        RETURNING number
    ), logged AS (
        INSERT INTO emonk.events (session, revision, at, fence, data)
            SELECT held.number, $3 + entry.place, moment.at, $2, entry.data
            FROM held, moment, unnest($4::bytea[]) WITH ORDINALITY AS entry (data, place)
    ), answered AS (
        UPDATE emonk.inbox SET reply = $7, answered = $2 FROM held
            WHERE $7::bytea IS NOT NULL AND session = held.number AND message_key = $8
                AND inbox.revision IS NOT NULL AND reply IS NULL
    )"""
_COMMIT = f"{_CHANGE} SELECT number FROM held"  # noqa: S608 - joins constants
_COMMIT_WITH_BILL = f"{_CHANGE}, billed AS ({usage.bill_of('$11', 'held')}) SELECT number FROM held"  # noqa: S608 - joins constants
_INSERT = """INSERT INTO emonk.events (session, revision, at, fence, data)
    SELECT $1, entry.revision, entry.at, $2, entry.data
    FROM unnest($3::bigint[], $4::bigint[], $5::bytea[]) AS entry (revision, at, data)"""
_REMOVE = "DELETE FROM emonk.events WHERE session = $1"
_WRITTEN = """SELECT data FROM emonk.events WHERE session = $1 AND revision > $2 AND revision <= $3 AND fence = $4
    ORDER BY revision"""
_ANSWERED = "SELECT reply FROM emonk.inbox WHERE session = $1 AND message_key = $2 AND answered = $3"
_RENEW = """UPDATE emonk.sessions SET expires = emonk.now($3) + $4 WHERE key = $1 AND fence = $2 AND owner IS NOT NULL
    RETURNING expires"""
_RELEASE = """UPDATE emonk.sessions SET owner = NULL WHERE key = $1 AND fence = $2 AND owner = $3 AND expires = $4"""
_READ = (
    """SELECT revision, at, data FROM emonk.events WHERE session = $1 AND revision > $2 ORDER BY revision LIMIT $3"""
)
_READ_BY_KEY = """SELECT events.revision, at, data FROM emonk.events JOIN emonk.sessions ON number = session
    WHERE key = $1 AND events.revision > $2 ORDER BY events.revision LIMIT $3"""


class SessionRow(NamedTuple):
    """What decides who may write to a session, and where."""

    session: SessionKey
    number: int
    revision: int
    cutoff: int
    fence: int
    owner: str | None
    expires: int
    title: str
    attempt: bytes | None


async def hold(connection: Connection, session: SessionKey) -> SessionRow | None:
    """The session's row, which is ours until the transaction ends; None where there is none."""
    row = await connection.fetchrow(_HOLD, key_of(session))
    return None if row is None else SessionRow(session, *row.values())


class Writing(NamedTuple):
    """Who writes on top of what; `attempt` names the call, and `now` is None on the database's own clock."""

    fence: Lease
    revision: int
    attempt: bytes
    now: int | None


async def commit(connection: Connection, made: Change, writing: Writing, *, again: bool) -> int:
    """Apply the change, in one statement where it puts no records; see `Store.commit`."""
    if not again and not made.puts:
        return await _commit(connection, made, writing)
    async with connection.transaction():
        if again:
            row = await hold(connection, writing.fence.session)
            if row is not None and await _happened(connection, row, made, writing):
                await usage.bill(connection, made.rows)  # which the other events and replies had with them
                return writing.revision + len(made.events)
        revision = await _commit(connection, made, writing)
        await records.write(connection, made.puts, writing.attempt, writing.now, session=writing.fence.session)
        return revision


async def renew(connection: Connection, lease: Lease, now: int | None) -> Lease:
    """Move the expiry; see `Store.renew`."""
    values = (key_of(lease.session), lease.fence, now, LEASE_MICROSECONDS)
    expires: int | None = await connection.fetchval(_RENEW, *values)
    if expires is None:
        raise _not_held(lease)
    return msgspec.structs.replace(lease, expires=expires)


async def release(connection: Connection, lease: Lease) -> None:
    """Give back a lease as it was granted."""
    owner = _json.encode(lease.owner).decode()
    await connection.execute(_RELEASE, key_of(lease.session), lease.fence, owner, lease.expires)


async def read(connection: Connection, number: int, after: int, limit: int | None = None) -> list[Row]:
    """The log of the session of that number, from the revision after `after`."""
    return _rows(await connection.fetch(_READ, number, after, limit))


async def read_session(connection: Connection, session: SessionKey, after: int, limit: int | None) -> list[Row]:
    """The log of a session, empty for an unknown one."""
    return _rows(await connection.fetch(_READ_BY_KEY, key_of(session), after, limit))


async def insert(connection: Connection, number: int, fence: int, rows: Sequence[Row]) -> None:
    """Add events that have a place and a time already."""
    revisions, times, data = ([row[column] for row in rows] for column in range(3))
    await connection.execute(_INSERT, number, fence, revisions, times, data)


async def remove(connection: Connection, number: int) -> None:
    """Remove a session's whole log."""
    await connection.execute(_REMOVE, number)


async def _commit(connection: Connection, made: Change, writing: Writing) -> int:
    fence, revision = writing.fence, writing.revision
    key, message_key = key_of(fence.session), digest(made.message_id)
    values = (key, fence.fence, revision, made.events, made.cutoff, made.release, made.reply, message_key, writing.now)
    if made.rows:
        found = await connection.fetchval(_COMMIT_WITH_BILL, *values, made.token_count, usage.encoded(made.rows))
    else:
        found = await connection.fetchval(_COMMIT, *values, made.token_count)
    if found is None:
        raise await _stale(connection, made, fence, revision)
    return revision + len(made.events)


async def _happened(connection: Connection, row: SessionRow, made: Change, writing: Writing) -> bool:
    """What the change has left tells; one that only gives the lease back has come to that once nobody holds it."""
    fence, revision = writing.fence.fence, writing.revision
    if made.events:
        last = revision + len(made.events)
        rows = await connection.fetch(_WRITTEN, row.number, revision, last, fence)
        return tuple(found["data"] for found in rows) == made.events
    if made.reply is not None:
        found: object = await connection.fetchval(_ANSWERED, row.number, digest(made.message_id), fence)
        return found == made.reply
    if made.puts:
        return await records.written(connection, made.puts, writing.attempt) is not None
    return made.release and (row.owner is None or row.fence != fence)


async def _stale(connection: Connection, made: Change, fence: Lease, revision: int) -> StaleSession:
    name = fence.session.session_id
    row = await connection.fetchrow(_FIND, key_of(fence.session))
    if row is None or row["owner"] is None or row["fence"] != fence.fence:
        return _not_held(fence)
    if row["revision"] == revision:
        return StaleSession(f"Message {made.message_id} of session {name} is not being answered")
    return StaleSession(f"Session {name} is at revision {row['revision']}, not {revision}")


def _not_held(lease: Lease) -> StaleSession:
    name = lease.session.session_id
    return StaleSession(f"Session {name} is not held any more", hint="another writer took it over")


def _rows(records: Sequence[Record]) -> list[Row]:
    return [(record["revision"], record["at"], record["data"]) for record in records]
