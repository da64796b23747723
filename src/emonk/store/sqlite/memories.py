"""Memories of a SQLite store. Every function is part of the caller's transaction.

A word of the index starts with a digest of whose it is, so that nobody's search reads what others remember.
"""

import hashlib
import sqlite3

import msgspec

from emonk.records import Memory
from emonk.store.memory_protocol import MemoryScope
from emonk.store.words import words

_json = msgspec.json.Encoder()

_REMEMBER = """INSERT INTO memories (agent, user_id, key, text, created_at, updated_at) VALUES (?, ?, ?, ?, ?5, ?5)
    ON CONFLICT DO UPDATE SET text = excluded.text, updated_at = excluded.updated_at RETURNING number, created_at"""
_INDEX = "INSERT OR REPLACE INTO memory_words (rowid, words) VALUES (?, ?)"
_COLUMNS = "SELECT key, text, created_at, updated_at FROM memories"
_OF_SCOPE = "WHERE agent = ?1 AND user_id = ?2"
_RECALL = f"{_COLUMNS} {_OF_SCOPE} AND key = ?3"
_LIST = f"{_COLUMNS} {_OF_SCOPE} AND key > ?3 ORDER BY key LIMIT ?4"
_SEARCH = f"""{_COLUMNS} JOIN (
        SELECT memory_words.rowid AS found, count(*) AS hits
            FROM json_each(?3) AS word CROSS JOIN memory_words ON memory_words MATCH word.value GROUP BY found
    ) ON found = number {_OF_SCOPE} ORDER BY hits DESC, updated_at DESC, key LIMIT ?4"""  # noqa: S608 - joins constants
_FORGET = "DELETE FROM memories WHERE agent = ? AND user_id = ? AND key = ? RETURNING number"
_FORGET_WORDS = "DELETE FROM memory_words WHERE rowid = ?"


def remember(connection: sqlite3.Connection, scope: MemoryScope, key: str, text: str, now: int) -> Memory:
    """Keep a text; see `MemoryStore.remember`."""
    ((number, created_at),) = connection.execute(_REMEMBER, (scope.agent, scope.user_id, key, text, now)).fetchall()
    connection.execute(_INDEX, (number, " ".join(_words(scope, key, text))))
    return Memory(key, text, created_at, now)


def recall(connection: sqlite3.Connection, scope: MemoryScope, key: str) -> Memory | None:
    """What is kept under the key, or None."""
    row = connection.execute(_RECALL, (scope.agent, scope.user_id, key)).fetchone()
    return None if row is None else Memory(*row)


def search(connection: sqlite3.Connection, scope: MemoryScope, query: str, limit: int) -> list[Memory]:
    """Memories with words of the query; see `MemoryStore.search_memory`."""
    asked = _json.encode([f'"{word}"' for word in _words(scope, query)]).decode()
    return _memories(connection, _SEARCH, (scope.agent, scope.user_id, asked, max(0, limit)))


def listed(connection: sqlite3.Connection, scope: MemoryScope, after: str, limit: int) -> list[Memory]:
    """All of a scope in the order of their keys; see `MemoryStore.memories`."""
    return _memories(connection, _LIST, (scope.agent, scope.user_id, after, max(0, limit)))


def forget(connection: sqlite3.Connection, scope: MemoryScope, key: str) -> bool:
    """Remove what is kept under the key; see `MemoryStore.forget`."""
    rows = connection.execute(_FORGET, (scope.agent, scope.user_id, key)).fetchall()
    connection.executemany(_FORGET_WORDS, rows)
    return bool(rows)


def _words(scope: MemoryScope, *texts: str) -> list[str]:
    whose = hashlib.blake2b(_json.encode(scope), digest_size=4).hexdigest()
    return [whose + word for word in words(*texts)]


def _memories(connection: sqlite3.Connection, query: str, values: tuple[object, ...]) -> list[Memory]:
    return [Memory(*row) for row in connection.execute(query, values)]
