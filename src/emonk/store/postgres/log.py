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
from emonk.store.postgres.connection import Connection, Record
from emonk.store.postgres.schema import digest, key_of

_json = msgspec.json.Encoder()

_FIND = """SELECT number, revision, cutoff, fence, owner, expires, title, attempt FROM emonk.sessions WHERE key = $1"""
_HOLD = f"{_FIND} FOR UPDATE"
_COMMIT = """WITH moment AS (SELECT emonk.now($9) AS at),
    held AS (
        UPDATE emonk.sessions SET revision = $3 + cardinality($4::bytea[]), cutoff = coalesce($5, cutoff),
            owner = CASE WHEN $6::bool THEN NULL ELSE owner END,
            last_active = CASE WHEN $7::bytea IS NULL THEN last_active ELSE moment.at END
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
    )
    SELECT number FROM held"""
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


async def commit(
    connection: Connection, made: Change, fence: Lease, revision: int, now: int | None, *, again: bool
) -> int:
    """Apply the change on top of `revision`, in one statement; see `Store.commit`."""
    if not again:
        return await _commit(connection, made, fence, revision, now)
    async with connection.transaction():
        row = await hold(connection, fence.session)
        if row is not None and await _happened(connection, row, made, fence, revision):
            return revision + len(made.events)
        return await _commit(connection, made, fence, revision, now)


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


async def _commit(connection: Connection, made: Change, fence: Lease, revision: int, now: int | None) -> int:
    key, message_key = key_of(fence.session), digest(made.message_id)
    values = (key, fence.fence, revision, made.events, made.cutoff, made.release, made.reply, message_key, now)
    if await connection.fetchval(_COMMIT, *values) is None:
        raise await _stale(connection, made, fence, revision)
    return revision + len(made.events)


async def _happened(connection: Connection, row: SessionRow, made: Change, fence: Lease, revision: int) -> bool:
    """What the change has left tells; one that only gives the lease back has come to that once nobody holds it."""
    if made.events:
        last = revision + len(made.events)
        rows = await connection.fetch(_WRITTEN, row.number, revision, last, fence.fence)
        return tuple(found["data"] for found in rows) == made.events
    if made.reply is not None:
        found: object = await connection.fetchval(_ANSWERED, row.number, digest(made.message_id), fence.fence)
        return found == made.reply
    return made.release and (row.owner is None or row.fence != fence.fence)


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
