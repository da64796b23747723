"""The memories of a Firestore store. A memory is a document with the digests of its words, by which it is found."""

import hashlib

import msgspec

from emonk.records import Memory
from emonk.store.firestore.documents import Documents, Found, Query, Write
from emonk.store.firestore.layout import MEMORIES, digest, name_of
from emonk.store.firestore.ranges import Keys, Range, listed, place
from emonk.store.memory_protocol import MemoryScope
from emonk.store.words import words

WORDS_AT_ONCE = 30
"""What `array_contains_any` takes: https://firebase.google.com/docs/firestore/query-data/queries#limits_on_or_queries"""
_MANY_WORDS = 10 * WORDS_AT_ONCE
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Memory)


async def remember(documents: Documents, scope: MemoryScope, key: str, text: str, now: int) -> Memory:
    """Keep the text; see `MemoryStore.remember`."""
    path = _path(scope, key)
    (found,) = await documents.get(path)
    memory = Memory(key, text, now if found is None else _memory(found).created_at, now)
    owner = digest(scope.agent, scope.user_id)
    held = [_word(owner, word) for word in words(key, text)]
    fields = {"body": _encoder.encode(memory), "by_key": place(owner, key), "words": held}
    if found is None:
        await documents.write((Write("create", path, fields),))
    else:
        await documents.write((Write("update", path, fields, found.updated),))
    return memory


async def recall(documents: Documents, scope: MemoryScope, key: str) -> Memory | None:
    """What is kept under the key, or None."""
    (found,) = await documents.get(_path(scope, key))
    return None if found is None else _memory(found)


async def search(documents: Documents, scope: MemoryScope, query: str, limit: int) -> list[Memory]:
    """Memories with words of the query; see `MemoryStore.search_memory`. All that have one are read and ranked here."""
    asked, owner = words(query), digest(scope.agent, scope.user_id)
    found: dict[str, Found] = {}
    if len(asked) > _MANY_WORDS:  # then it takes fewer requests to look at all of them
        found.update((one.name, one) for one in await _all(documents, owner))
    else:
        for start in range(0, len(asked), WORDS_AT_ONCE):
            some = [_word(owner, word) for word in asked[start : start + WORDS_AT_ONCE]]
            page = await documents.query(Query(MEMORIES, (("words", "array_contains_any", some),)))
            found.update((one.name, one) for one in page)
    wanted = set(asked)
    kept = [_memory(one) for one in found.values()]
    ranked = [(-len(wanted.intersection(words(one.key, one.text))), -one.updated_at, one.key, one) for one in kept]
    ranked.sort(key=lambda entry: entry[:3])
    return [one for hits, _, _, one in ranked if hits][: max(0, limit)]


async def memories(documents: Documents, scope: MemoryScope, keys: Keys) -> list[Memory]:
    """All of them in the order of their keys; see `MemoryStore.memories`."""
    within = Range(MEMORIES, "by_key", digest(scope.agent, scope.user_id))
    return [_memory(one) for one in await listed(documents, within, keys, lambda one: _memory(one).key)]


async def forget(documents: Documents, scope: MemoryScope, key: str) -> bool:
    """Remove what is kept under the key; False when nothing was."""
    path = _path(scope, key)
    (found,) = await documents.get(path)
    if found is None:
        return False
    await documents.write((Write("delete", path, seen=found.updated),))
    return True


async def _all(documents: Documents, owner: bytes) -> list[Found]:
    where = (("by_key", ">=", owner), ("by_key", "<", owner + b"\xff"))
    return await documents.query(Query(MEMORIES, where, "by_key"))


def _word(owner: bytes, word: str) -> bytes:
    """A word of one scope, so that no other scope's memories are found by it."""
    return hashlib.blake2b(word.encode(), digest_size=10, key=owner).digest()


def _memory(found: Found) -> Memory:
    return _decoder.decode(found.fields["body"])


def _path(scope: MemoryScope, key: str) -> str:
    return f"{MEMORIES}/{name_of(scope.agent, scope.user_id, key)}"
