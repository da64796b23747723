"""Memories of a PostgreSQL store. Every function is part of the caller's transaction."""

from emonk.records import Memory
from emonk.store.memory_protocol import MemoryScope
from emonk.store.postgres.connection import Connection, Record
from emonk.store.postgres.schema import digest, restored, start_of, stored
from emonk.store.words import words

_REMEMBER = """INSERT INTO emonk.memories (id, scope_key, agent, user_id, start, key, text, words, created_at,
    updated_at) SELECT $1, $2, $3, $4, $5, $6, $7, $8, at, at FROM emonk.now($9) AS at
    ON CONFLICT (id) DO UPDATE SET text = excluded.text, words = excluded.words, updated_at = excluded.updated_at
    RETURNING key, text, created_at, updated_at"""
_SELECT = "SELECT key, text, created_at, updated_at FROM emonk.memories"
_RECALL = f"{_SELECT} WHERE id = $1"
_LIST = f"{_SELECT} WHERE scope_key = $1 AND start >= $2 AND key > $3 ORDER BY start, key LIMIT $4"
_SEARCH = f"""{_SELECT} WHERE scope_key = $1 AND words && $2::text[]
    ORDER BY (SELECT count(*) FROM (SELECT unnest(words) INTERSECT SELECT unnest($2::text[])) AS hits) DESC,
        updated_at DESC, start, key LIMIT $3"""  # noqa: S608 - joins constants
_KNOWN = "SELECT id FROM emonk.memories WHERE id = $1"
_FORGET = "DELETE FROM emonk.memories WHERE id = $1 RETURNING id"


async def remember(connection: Connection, scope: MemoryScope, key: str, text: str, now: int | None) -> Memory:
    """Keep a text; see `MemoryStore.remember`."""
    encoded = key.encode()
    owner = (digest(scope.agent, scope.user_id), stored(scope.agent), stored(scope.user_id))
    values = (_id(scope, key), *owner, start_of(encoded), encoded, stored(text), words(key, text), now)
    row = await connection.fetchrow(_REMEMBER, *values)
    assert row is not None  # noqa: S101 - it is inserted or changed
    return _memory(row)


async def recall(connection: Connection, scope: MemoryScope, key: str) -> Memory | None:
    """What is kept under the key, or None."""
    row = await connection.fetchrow(_RECALL, _id(scope, key))
    return None if row is None else _memory(row)


async def search(connection: Connection, scope: MemoryScope, query: str, limit: int) -> list[Memory]:
    """Memories with words of the query; see `MemoryStore.search_memory`."""
    rows = await connection.fetch(_SEARCH, digest(scope.agent, scope.user_id), words(query), max(0, limit))
    return [_memory(row) for row in rows]


async def listed(connection: Connection, scope: MemoryScope, after: str, limit: int) -> list[Memory]:
    """All of a scope in the order of their keys; see `MemoryStore.memories`."""
    scope_key, key = digest(scope.agent, scope.user_id), after.encode()
    return [_memory(row) for row in await connection.fetch(_LIST, scope_key, start_of(key), key, max(0, limit))]


async def known(connection: Connection, scope: MemoryScope, key: str) -> bool:
    """Whether something is kept under the key."""
    return await connection.fetchval(_KNOWN, _id(scope, key)) is not None


async def forget(connection: Connection, scope: MemoryScope, key: str) -> bool:
    """Remove what is kept under the key; see `MemoryStore.forget`."""
    return await connection.fetchval(_FORGET, _id(scope, key)) is not None


def _id(scope: MemoryScope, key: str) -> bytes:
    return digest(scope.agent, scope.user_id, key)


def _memory(row: Record) -> Memory:
    return Memory(row["key"].decode(), restored(row["text"]), row["created_at"], row["updated_at"])
