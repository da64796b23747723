"""The tables of a PostgreSQL store, and how a database of an earlier version becomes one of this.

They lie in a schema of their own, `emonk`. An event's place is `(session, revision)`; it carries the fence of its
writer, by which a writer that lost its connection finds out whether it was kept. `attempt` is the same for who was
granted a turn or had a message accepted. An inbox item waits while `revision` is null, is taken once its event lies in
the log at `revision`, and is done with `reply`.

Ids can be of any length and hold NUL, neither of which an index or a text of PostgreSQL takes: so `*_key` and `id` are
digests, and a text has NUL written as two other characters. What is put in order is kept as UTF-8, which sorts by code
points, with its `start`, which an index takes. Costs are in units of 1e-12 USD, null when not known; the
price of a row is JSON, empty where there was none.
"""

import hashlib
import re
from collections.abc import Sequence

import msgspec

from emonk.errors import InvalidConfig
from emonk.records import SessionKey
from emonk.store.postgres.connection import Connection

LOCK = 0x656D6F6E  # "emon": one migration at a time in a database
_ESCAPE = "\x10"
_START = 256
_json = msgspec.json.Encoder()

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE FUNCTION emonk.now(given bigint) RETURNS bigint LANGUAGE sql VOLATILE
            RETURN coalesce(given, floor(extract(epoch FROM clock_timestamp()) * 1000000)::bigint)""",
        """CREATE TABLE emonk.sessions (
            number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            key bytea NOT NULL UNIQUE,
            agent text NOT NULL,
            session_id text NOT NULL,
            created_at bigint NOT NULL,
            last_active bigint NOT NULL,
            revision bigint NOT NULL DEFAULT 0,
            cutoff bigint NOT NULL DEFAULT 0,
            message_count bigint NOT NULL DEFAULT 0,
            title text NOT NULL DEFAULT '',
            fence bigint NOT NULL DEFAULT 0,
            owner text,
            expires bigint NOT NULL DEFAULT 0,
            attempt bytea,
            participants text[] NOT NULL DEFAULT '{}'
        ) WITH (fillfactor = 70)""",
        "CREATE INDEX sessions_by_activity ON emonk.sessions (last_active, number)",
        """CREATE TABLE emonk.participants (
            user_key bytea NOT NULL,
            session bigint NOT NULL REFERENCES emonk.sessions,
            PRIMARY KEY (user_key, session)
        )""",
        """CREATE TABLE emonk.events (
            session bigint NOT NULL,
            revision bigint NOT NULL,
            at bigint NOT NULL,
            fence bigint NOT NULL,
            data bytea NOT NULL,
            PRIMARY KEY (session, revision)
        )""",
        """CREATE TABLE emonk.inbox (
            number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            session bigint NOT NULL REFERENCES emonk.sessions,
            message_key bytea NOT NULL,
            message_id text NOT NULL,
            user_id text NOT NULL,
            accepted_at bigint NOT NULL,
            attempt bytea NOT NULL,
            event bytea,
            revision bigint,
            answered bigint,
            reply bytea,
            UNIQUE (session, message_key)
        )""",
        "CREATE INDEX inbox_open ON emonk.inbox (session, number) WHERE reply IS NULL",
    ),
    (
        "ALTER TABLE emonk.sessions ADD COLUMN token_count bigint NOT NULL DEFAULT 0, ADD COLUMN metadata bytea",
        # Without a reference: who deletes a session would have all of them searched for it.
        "ALTER TABLE emonk.participants DROP CONSTRAINT participants_session_fkey",
        """CREATE TABLE emonk.records (
            id bytea PRIMARY KEY,
            namespace_key bytea NOT NULL,
            namespace bytea NOT NULL,
            start bytea NOT NULL,
            key bytea NOT NULL,
            version bigint NOT NULL,
            updated_at bigint NOT NULL,
            session_key bytea,
            agent text,
            session_id text,
            state_key bytea,
            state text NOT NULL,
            due_at bigint,
            attempt bytea NOT NULL,
            data bytea NOT NULL
        )""",
        "CREATE INDEX records_in_order ON emonk.records (namespace_key, start)",
        "CREATE INDEX records_by_session ON emonk.records (session_key) WHERE session_key IS NOT NULL",
        """CREATE INDEX records_by_state ON emonk.records (namespace_key, state_key, start)
            WHERE state_key IS NOT NULL""",
        "CREATE INDEX records_due ON emonk.records (namespace_key, due_at) WHERE due_at IS NOT NULL",
        """CREATE TABLE emonk.usage (
            id bytea PRIMARY KEY,
            row_id bytea NOT NULL,
            agent text NOT NULL,
            session_id text NOT NULL,
            user_id text NOT NULL,
            trace_id text NOT NULL,
            purpose text NOT NULL,
            provider text NOT NULL,
            model text NOT NULL,
            state text NOT NULL,
            started_at bigint NOT NULL,
            seconds double precision NOT NULL,
            input_tokens bigint NOT NULL,
            output_tokens bigint NOT NULL,
            cached_input_tokens bigint NOT NULL,
            cache_write_tokens bigint NOT NULL,
            reasoning_tokens bigint NOT NULL,
            cost bigint,
            error text NOT NULL
        ) WITH (fillfactor = 70)""",
        "CREATE INDEX usage_by_start ON emonk.usage (started_at)",
        "CREATE INDEX usage_by_session ON emonk.usage USING hash (session_id)",
        """CREATE TABLE emonk.memories (
            id bytea PRIMARY KEY,
            scope_key bytea NOT NULL,
            agent text NOT NULL,
            user_id text NOT NULL,
            start bytea NOT NULL,
            key bytea NOT NULL,
            text text NOT NULL,
            words text[] NOT NULL,
            created_at bigint NOT NULL,
            updated_at bigint NOT NULL
        )""",
        "CREATE INDEX memories_in_order ON emonk.memories (scope_key, start)",
        "CREATE INDEX memories_by_word ON emonk.memories USING gin (words)",
    ),
    (
        """ALTER TABLE emonk.usage
            ADD COLUMN message_id text NOT NULL DEFAULT '',
            ADD COLUMN role text NOT NULL DEFAULT '',
            ADD COLUMN lead text NOT NULL DEFAULT '',
            ADD COLUMN price text NOT NULL DEFAULT '',
            ADD COLUMN estimate bigint""",
    ),
)

# One snapshot for both, so that another process's migration is seen whole or not at all.
_STATE = """SELECT current_setting('server_version_num')::int AS server, current_setting('server_encoding') AS encoding,
        count(*) > 0 AS filled, coalesce(bool_or(relname = 'version'), false) AS ours
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE nspname = 'emonk'"""
_OLDEST = 140000  # SQL function bodies


def key_of(session: SessionKey) -> bytes:
    """What finds a session."""
    return digest(session.agent, session.session_id)


def digest(*texts: str) -> bytes:
    """20 bytes that stand for texts of any length."""
    return hashlib.blake2b(_json.encode(texts), digest_size=20).digest()


def start_of(key: bytes) -> bytes:
    """As much of a key as an index takes."""
    return key[:_START]


def stored(text: str) -> str:
    """The text without NUL."""
    return text.replace(_ESCAPE, _ESCAPE + "1").replace("\0", _ESCAPE + "0")


def restored(text: str) -> str:
    """The text that was `stored`."""
    if _ESCAPE not in text:
        return text
    return re.sub(f"{_ESCAPE}([01])", lambda found: "\0" if found[1] == "0" else _ESCAPE, text)


async def migrate(connection: Connection, place: str, *, migrations: Sequence[Sequence[str]] = MIGRATIONS) -> None:
    """Bring the database to this version's schema, in one transaction and one process at a time.

    Raises:
        InvalidConfig: it cannot be used; see `version_of`.
    """
    if await version_of(connection, place, known=len(migrations)) == len(migrations):
        return
    async with connection.transaction():
        await connection.execute(f"SELECT pg_advisory_xact_lock({LOCK})")
        version = await version_of(connection, place, known=len(migrations))
        if version == 0:
            await connection.execute("CREATE SCHEMA IF NOT EXISTS emonk")
            await connection.execute("CREATE TABLE emonk.version (number int NOT NULL)")
            await connection.execute("INSERT INTO emonk.version VALUES (0)")
        for statements in migrations[version:]:
            for statement in statements:
                await connection.execute(statement)
        await connection.execute("UPDATE emonk.version SET number = $1", len(migrations))


async def version_of(connection: Connection, place: str, *, known: int = len(MIGRATIONS)) -> int:
    """The schema that a database has, 0 for a new one.

    Raises:
        InvalidConfig: a newer emonk or another program made it, or the database is of a kind that cannot be used.
    """
    state = await connection.fetchrow(_STATE)
    if state is None:
        return 0
    if state["server"] < _OLDEST:
        raise InvalidConfig(f"{place} is of version {state['server'] // 10000}", hint="emonk needs PostgreSQL 14")
    if state["encoding"] != "UTF8":
        raise InvalidConfig(
            f"{place} keeps its texts as {state['encoding']}", hint="create the database with ENCODING 'UTF8'"
        )
    if not state["ours"]:
        if state["filled"]:
            raise InvalidConfig(f"{place} has a schema emonk of another program", hint="name another database")
        return 0
    version = int(await connection.fetchval("SELECT number FROM emonk.version"))
    if version > known:
        raise InvalidConfig(
            f"{place} was written by a newer emonk (schema {version}, this one knows {known})",
            hint="upgrade emonk, or name another database in the store's URL",
        )
    return version
