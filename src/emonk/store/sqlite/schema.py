"""The tables of a SQLite store, and how a file of an earlier version becomes one of this.

An event's place is `session number << 32 | revision`: one B-tree, in the order in which a session is read,
where an append costs the same after ten events as after ten thousand.
An inbox item waits while `revision` is null, is taken once its event lies in the log at `revision`,
and is done with `reply`.
`participants` finds a user's sessions; a session's users are a JSON list in its own row, which is written anyhow.
A session's metadata, which may be long, are not in that row. Costs are in units of 1e-12 USD, null when not known;
the price of a row is JSON, empty where there was none. Each turn pays for every index of the bill, so the one by
sessions is made when a session's costs are asked for, see `emonk.store.sqlite.usage`.
"""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from emonk.errors import InvalidConfig

APPLICATION_ID = 0x656D6F6E  # "emon", so that another program's database is not taken for ours

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE sessions (
            number INTEGER PRIMARY KEY,
            agent TEXT NOT NULL,
            session_id TEXT NOT NULL,
            created_at INTEGER NOT NULL,
            last_active INTEGER NOT NULL,
            revision INTEGER NOT NULL DEFAULT 0,
            cutoff INTEGER NOT NULL DEFAULT 0,
            message_count INTEGER NOT NULL DEFAULT 0,
            title TEXT NOT NULL DEFAULT '',
            fence INTEGER NOT NULL DEFAULT 0,
            owner BLOB,
            expires INTEGER NOT NULL DEFAULT 0,
            UNIQUE (agent, session_id)
        ) STRICT""",
        "CREATE INDEX sessions_by_activity ON sessions (last_active)",
        """CREATE TABLE participants (
            session INTEGER NOT NULL REFERENCES sessions,
            user_id TEXT NOT NULL,
            PRIMARY KEY (session, user_id)
        ) STRICT, WITHOUT ROWID""",
        "CREATE INDEX participants_by_user ON participants (user_id, session)",
        """CREATE TABLE events (
            place INTEGER PRIMARY KEY,
            at INTEGER NOT NULL,
            data BLOB NOT NULL
        ) STRICT""",
        """CREATE TABLE inbox (
            number INTEGER PRIMARY KEY,
            session INTEGER NOT NULL REFERENCES sessions,
            message_id TEXT NOT NULL,
            user_id TEXT NOT NULL,
            accepted_at INTEGER NOT NULL,
            event BLOB,
            revision INTEGER,
            reply BLOB,
            UNIQUE (session, message_id)
        ) STRICT""",
        "CREATE INDEX inbox_open ON inbox (session, number) WHERE reply IS NULL",
    ),
    (
        "ALTER TABLE sessions ADD COLUMN participants TEXT NOT NULL DEFAULT '[]'",
        """UPDATE sessions SET participants =
            (SELECT json_group_array(user_id) FROM participants WHERE session = number)""",
        "DROP INDEX participants_by_user",
        "ALTER TABLE participants RENAME TO participants_by_session",
        """CREATE TABLE participants (
            user_id TEXT NOT NULL,
            session INTEGER NOT NULL REFERENCES sessions,
            PRIMARY KEY (user_id, session)
        ) STRICT, WITHOUT ROWID""",
        "INSERT INTO participants SELECT user_id, session FROM participants_by_session",
        "DROP TABLE participants_by_session",
    ),
    (
        "ALTER TABLE sessions ADD COLUMN token_count INTEGER NOT NULL DEFAULT 0",
        """CREATE TABLE metadata (
            session INTEGER PRIMARY KEY REFERENCES sessions,
            data BLOB NOT NULL
        ) STRICT""",
        # Without a reference: who deletes a session would have all of them searched for it.
        "ALTER TABLE participants RENAME TO referring",
        """CREATE TABLE participants (
            user_id TEXT NOT NULL,
            session INTEGER NOT NULL,
            PRIMARY KEY (user_id, session)
        ) STRICT, WITHOUT ROWID""",
        "INSERT INTO participants SELECT user_id, session FROM referring",
        "DROP TABLE referring",
        """CREATE TABLE records (
            number INTEGER PRIMARY KEY,
            namespace TEXT NOT NULL,
            key TEXT NOT NULL,
            version INTEGER NOT NULL,
            updated_at INTEGER NOT NULL,
            agent TEXT,
            session_id TEXT,
            state TEXT NOT NULL,
            due_at INTEGER,
            data BLOB NOT NULL,
            UNIQUE (namespace, key)
        ) STRICT""",
        "CREATE INDEX records_by_session ON records (agent, session_id, namespace, key) WHERE agent IS NOT NULL",
        "CREATE INDEX records_by_state ON records (namespace, state, key) WHERE state <> ''",
        "CREATE INDEX records_due ON records (namespace, due_at, key) WHERE due_at IS NOT NULL",
        """CREATE TABLE usage (
            row_id TEXT PRIMARY KEY,
            agent TEXT NOT NULL,
            session_id TEXT NOT NULL,
            user_id TEXT NOT NULL,
            trace_id TEXT NOT NULL,
            purpose TEXT NOT NULL,
            provider TEXT NOT NULL,
            model TEXT NOT NULL,
            state TEXT NOT NULL,
            started_at INTEGER NOT NULL,
            seconds REAL NOT NULL,
            input_tokens INTEGER NOT NULL,
            output_tokens INTEGER NOT NULL,
            cached_input_tokens INTEGER NOT NULL,
            cache_write_tokens INTEGER NOT NULL,
            reasoning_tokens INTEGER NOT NULL,
            cost INTEGER,
            error TEXT NOT NULL
        ) STRICT, WITHOUT ROWID""",
        "CREATE INDEX usage_by_start ON usage (started_at, row_id)",
        "CREATE INDEX usage_by_session ON usage (session_id, started_at)",
        """CREATE TABLE memories (
            number INTEGER PRIMARY KEY,
            agent TEXT NOT NULL,
            user_id TEXT NOT NULL,
            key TEXT NOT NULL,
            text TEXT NOT NULL,
            created_at INTEGER NOT NULL,
            updated_at INTEGER NOT NULL,
            UNIQUE (agent, user_id, key)
        ) STRICT""",
        # Its words are ours, see `emonk.store.words`: they hold nothing at which this tokenizer would part them.
        "CREATE VIRTUAL TABLE memory_words USING fts5 (words, detail = none, tokenize = 'ascii')",
    ),
    (
        "ALTER TABLE usage ADD COLUMN message_id TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE usage ADD COLUMN role TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE usage ADD COLUMN lead TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE usage ADD COLUMN price TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE usage ADD COLUMN estimate INTEGER",
    ),
    (
        "DROP INDEX usage_by_start",
        "DROP INDEX usage_by_session",
        "ALTER TABLE usage RENAME TO usage_before",
        # Numbered: a row is longer than what a tree without numbers keeps in one place, and each would get a page.
        """CREATE TABLE usage (
            number INTEGER PRIMARY KEY,
            row_id TEXT NOT NULL,
            agent TEXT NOT NULL,
            session_id TEXT NOT NULL,
            user_id TEXT NOT NULL,
            trace_id TEXT NOT NULL,
            purpose TEXT NOT NULL,
            provider TEXT NOT NULL,
            model TEXT NOT NULL,
            started_at INTEGER NOT NULL,
            message_id TEXT NOT NULL,
            role TEXT NOT NULL,
            lead TEXT NOT NULL,
            state TEXT NOT NULL,
            seconds REAL NOT NULL,
            input_tokens INTEGER NOT NULL,
            output_tokens INTEGER NOT NULL,
            cached_input_tokens INTEGER NOT NULL,
            cache_write_tokens INTEGER NOT NULL,
            reasoning_tokens INTEGER NOT NULL,
            cost INTEGER,
            error TEXT NOT NULL,
            price TEXT NOT NULL,
            estimate INTEGER
        ) STRICT""",
        """INSERT INTO usage SELECT NULL, row_id, agent, session_id, user_id, trace_id, purpose, provider, model,
            started_at, message_id, role, lead, state, seconds, input_tokens, output_tokens, cached_input_tokens,
            cache_write_tokens, reasoning_tokens, cost, error, price, estimate
            FROM usage_before ORDER BY started_at, row_id""",
        "DROP TABLE usage_before",
        "CREATE UNIQUE INDEX usage_by_start ON usage (started_at, row_id)",
    ),
)

# BEGIN IMMEDIATE alone succeeds on a file that may only be read; this fails there, and costs no flush elsewhere.
_WRITE_NOTHING = "DELETE FROM sessions WHERE 0"


def migrate(connection: sqlite3.Connection, path: Path, *, migrations: Sequence[Sequence[str]] = MIGRATIONS) -> None:
    """Bring the file to this version's schema, in one transaction that also proves it can be written.

    Raises:
        InvalidConfig: see `version_of`.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = version_of(connection, path, known=len(migrations))
        if version < len(migrations):
            _upgrade(connection, migrations[version:], len(migrations))
        connection.execute(_WRITE_NOTHING)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def version_of(connection: sqlite3.Connection, path: Path, *, known: int = len(MIGRATIONS)) -> int:
    """The schema that a file has, 0 for a new one.

    Raises:
        InvalidConfig: a newer emonk or another program wrote it.
    """
    version = _number(connection, "PRAGMA user_version")
    application = _number(connection, "PRAGMA application_id")
    if application != APPLICATION_ID and (application or _number(connection, "SELECT count(*) FROM sqlite_schema")):
        raise InvalidConfig(f"{path} is the database of another program", hint="name another file in the store's URL")
    if version > known:
        raise InvalidConfig(
            f"{path} was written by a newer emonk (schema {version}, this one knows {known})",
            hint="upgrade emonk, or name another file in the store's URL",
        )
    return version


def _upgrade(connection: sqlite3.Connection, migrations: Sequence[Sequence[str]], version: int) -> None:
    for statements in migrations:
        for statement in statements:
            connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {version}")


def _number(connection: sqlite3.Connection, query: str) -> int:
    return int(connection.execute(query).fetchone()[0])
