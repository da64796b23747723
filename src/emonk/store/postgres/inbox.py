"""The inbox of a PostgreSQL store, and who gets the next turn. Every function is part of the caller's transaction.

`attempt` names a call, whichever connection it is made on: one that is made again finds by it what it did before.
"""

from typing import NamedTuple

import msgspec

from emonk.events import InboxItem, decode
from emonk.records import Lease, Owner, Reply, SessionKey
from emonk.store.change import LEASE_MICROSECONDS, Row
from emonk.store.grant import Granted, Next, lapsed, title_of
from emonk.store.postgres.connection import Connection
from emonk.store.postgres.log import SessionRow, hold, read
from emonk.store.postgres.schema import digest, key_of, restored, stored
from emonk.store.protocol import INBOX_LIMIT, Accepted

_json = msgspec.json.Encoder()
_owner_decoder = msgspec.json.Decoder(Owner)
_reply_decoder = msgspec.json.Decoder(Reply)

_BEGIN = """INSERT INTO emonk.sessions (key, agent, session_id, created_at, last_active, fence)
    SELECT $1, $2, $3, at, at, at FROM emonk.now($4) AS at ON CONFLICT (key) DO NOTHING"""
_STATE = """SELECT emonk.now($3) AS now, count(*) FILTER (WHERE reply IS NULL) AS unfinished,
        count(*) FILTER (WHERE reply IS NULL AND revision IS NULL) AS waiting,
        max(number) FILTER (WHERE message_key = $2) AS earlier
    FROM emonk.inbox WHERE session = $1 AND (reply IS NULL OR message_key = $2)"""
_PUT = """WITH joined AS (
        INSERT INTO emonk.participants (user_key, session) VALUES ($3, $1) ON CONFLICT DO NOTHING RETURNING session
    ), listed AS (
        UPDATE emonk.sessions SET participants = array_append(participants, $5) FROM joined WHERE number = $1
    )
    INSERT INTO emonk.inbox (session, message_key, message_id, user_id, accepted_at, attempt, event)
        VALUES ($1, $2, $4, $5, $6, $7, $8) RETURNING number"""
_NEXT = """SELECT number, message_id, user_id, accepted_at, event, revision FROM emonk.inbox
    WHERE session = $1 AND reply IS NULL ORDER BY number LIMIT 1"""
_TAKE = """WITH taken AS (
        UPDATE emonk.inbox SET event = NULL, revision = $3 WHERE number = $2 AND event IS NOT NULL
    ), logged AS (
        INSERT INTO emonk.events (session, revision, at, fence, data)
            SELECT $1, $3, $4, $5, $6::bytea WHERE $6 IS NOT NULL
    )
    UPDATE emonk.sessions SET revision = greatest(revision, $3), fence = $5, owner = $7, expires = $8, attempt = $9,
        message_count = message_count + ($6::bytea IS NOT NULL)::int, title = $10, last_active = $4 WHERE number = $1"""
_EARLIER = "SELECT reply, attempt FROM emonk.inbox WHERE number = $1"
_WRITER = "SELECT fence FROM emonk.events WHERE session = $1 AND revision = $2"
_REPLY = """SELECT reply FROM emonk.inbox JOIN emonk.sessions ON sessions.number = session
    WHERE key = $1 AND message_key = $2"""
_DUE = """SELECT session_id, owner, expires, emonk.now($2) AS now FROM emonk.sessions
    JOIN (SELECT session, min(number) AS first FROM emonk.inbox WHERE reply IS NULL GROUP BY session) AS open
        ON open.session = sessions.number
    WHERE agent = $1 ORDER BY first"""


class Asking(NamedTuple):
    """Who asks for a turn, and in which call; `now` is None on the database's own clock."""

    owner: Owner | None
    attempt: bytes
    now: int | None


async def accept(
    connection: Connection, item: InboxItem, data: bytes, asking: Asking
) -> tuple[Accepted, Granted | None]:
    """Put the item, encoded as `data`, into the inbox; see `Store.accept`."""
    async with connection.transaction():
        row = await _held_or_begun(connection, item.session, asking.now)
        message_key = digest(item.message_id)
        state = await connection.fetchrow(_STATE, row.number, message_key, asking.now)
        assert state is not None  # noqa: S101 - an aggregate without groups is one row
        if state["earlier"] is not None:
            return await _repeated(connection, row, state["earlier"], asking, state["now"])
        if state["waiting"] >= INBOX_LIMIT:
            return Accepted("full"), None
        now: int = state["now"]
        user, message_id = stored(item.user_id), stored(item.message_id)
        values = (message_key, digest(item.user_id), message_id, user, now, asking.attempt, data)
        number: int = await connection.fetchval(_PUT, row.number, *values)
        if asking.owner is None or state["unfinished"] or not lapsed(row.owner, row.expires, now):
            return Accepted("new"), None
        kept = Next(number, item.message_id, item.user_id, now, data, None)
        return Accepted("new"), await _take(connection, row, kept, asking, now)


async def claim(connection: Connection, session: SessionKey, asking: Asking) -> Granted | None:
    """Give the owner the next turn; see `Store.claim`."""
    async with connection.transaction():
        row = await hold(connection, session)
        if row is None:
            return None
        item = await _next(connection, row.number)
        now: int = await connection.fetchval("SELECT emonk.now($1)", asking.now)
        return None if item is None else await _granted(connection, row, item, asking, now)


async def reply(connection: Connection, session: SessionKey, message_id: str) -> Reply | None:
    """The reply to a message, or None."""
    found: bytes | None = await connection.fetchval(_REPLY, key_of(session), digest(message_id))
    return None if found is None else _reply_decoder.decode(found)


async def due(connection: Connection, agent: str, limit: int, now: int | None) -> list[SessionKey]:
    """Sessions whose turn can be claimed, oldest item first."""
    rows = await connection.fetch(_DUE, stored(agent), now)
    ready = [row["session_id"] for row in rows if lapsed(row["owner"], row["expires"], row["now"])]
    return [SessionKey(agent, restored(session_id)) for session_id in ready[: max(0, limit)]]


async def _held_or_begun(connection: Connection, session: SessionKey, now: int | None) -> SessionRow:
    row = await hold(connection, session)
    while row is None:
        await connection.execute(_BEGIN, key_of(session), stored(session.agent), stored(session.session_id), now)
        row = await hold(connection, session)
    return row


async def _repeated(
    connection: Connection, row: SessionRow, number: int, asking: Asking, now: int
) -> tuple[Accepted, Granted | None]:
    found = await connection.fetchrow(_EARLIER, number)
    assert found is not None  # noqa: S101 - the session's row is ours, and its inbox with it
    state = "new" if found["attempt"] == asking.attempt else "repeated"
    if found["reply"] is not None:
        return Accepted(state, _reply_decoder.decode(found["reply"])), None
    item = await _next(connection, row.number)
    if asking.owner is None or item is None or item.number != number:
        return Accepted(state), None
    return Accepted(state), await _granted(connection, row, item, asking, now)


async def _next(connection: Connection, session: int) -> Next | None:
    """Items are taken in the order of acceptance, so the one that was begun is the oldest one."""
    found = await connection.fetchrow(_NEXT, session)
    if found is None:
        return None
    item = Next(*found.values())
    return item._replace(message_id=restored(item.message_id), user_id=restored(item.user_id))


async def _granted(connection: Connection, row: SessionRow, item: Next, asking: Asking, now: int) -> Granted | None:
    """The turn, if it is free or was granted to this very call already."""
    if row.attempt == asking.attempt and row.owner is not None:
        return await _granted_before(connection, row, item)
    if asking.owner is None or not lapsed(row.owner, row.expires, now):
        return None
    return await _take(connection, row, item, asking, now)


async def _granted_before(connection: Connection, row: SessionRow, item: Next) -> Granted:
    lease = Lease(row.session, _owner_decoder.decode(row.owner or ""), row.fence, row.expires)
    begun = item.revision or row.revision
    writer: int = await connection.fetchval(_WRITER, row.number, begun)
    log, covered = await _log(connection, row, begun)
    return Granted(lease, item, begun, row.revision, log, covered, resumed=writer != row.fence)


async def _take(connection: Connection, row: SessionRow, item: Next, asking: Asking, now: int) -> Granted:
    """The lease, with the log as it is once the item's event is in it."""
    assert asking.owner is not None  # noqa: S101 - only an owner is granted a turn
    begun = item.revision or row.revision + 1
    lease = Lease(row.session, asking.owner, row.fence + 1, now + LEASE_MICROSECONDS)
    title = row.title or ("" if item.event is None else stored(title_of(decode(item.event))))
    held = (_json.encode(asking.owner).decode(), lease.expires, asking.attempt, title)
    await connection.execute(_TAKE, row.number, item.number, begun, now, lease.fence, item.event, *held)
    if item.event is not None and row.revision == 0:
        log, covered = [(begun, now, item.event)], list[Row]()  # the session begins, and this is all of it
    else:
        log, covered = await _log(connection, row, begun)
    resumed = item.revision is not None
    return Granted(lease, item, begun, max(row.revision, begun), log, covered, resumed=resumed)


async def _log(connection: Connection, row: SessionRow, begun: int) -> tuple[list[Row], list[Row]]:
    """What the turn starts from, and the event of its item if that is not part of it."""
    log = await read(connection, row.number, row.cutoff)
    return log, [] if begun > row.cutoff else await read(connection, row.number, begun - 1, 1)
