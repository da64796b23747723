"""What an agent remembers for the user of a call: nobody else's memories can be named through it."""

from emonk.errors import InvalidArguments
from emonk.records import Memory
from emonk.store.memory_protocol import MemoryScope, MemoryStore

TEXT_LENGTH = 4_000
KEY_LENGTH = 200
MEMORIES = 200
"""For each user of an agent: a loop must not fill the store, and a person can still look through them."""


class Memories:
    """The memories of one user of one agent. A key is compared without case and extra spaces."""

    def __init__(self, store: MemoryStore, scope: MemoryScope) -> None:
        self._store = store
        self._scope = scope

    async def remember(self, key: str, text: str) -> Memory:
        """Keep the text under the key, in place of what was there.

        Raises:
            InvalidArguments: the key or the text is empty or too long, or `MEMORIES` are kept already.
        """
        key, text = _key(key), _text(text)
        if await self._store.recall(self._scope, key) is None:
            kept = await self._store.memories(self._scope, limit=MEMORIES)
            if len(kept) >= MEMORIES:
                raise InvalidArguments(f"{MEMORIES} things are remembered already", hint="forget one of them first")
        return await self._store.remember(self._scope, key, text)

    async def recall(self, key: str) -> Memory | None:
        """What is kept under the key, or None."""
        return await self._store.recall(self._scope, _key(key))

    async def search(self, query: str, *, limit: int = 10) -> tuple[Memory, ...]:
        """Memories that hold words of the query, those with most of them first."""
        _check_unicode(query)
        return tuple(await self._store.search_memory(self._scope, query[:TEXT_LENGTH], limit=limit))

    async def all(self) -> tuple[Memory, ...]:
        """All of them, in the order of their keys."""
        return tuple(await self._store.memories(self._scope, limit=MEMORIES))

    async def forget(self, key: str) -> bool:
        """Remove what is kept under the key; False when nothing was."""
        return await self._store.forget(self._scope, _key(key))


def _key(key: str) -> str:
    _check_unicode(key)
    key = " ".join(key.split()).lower()
    if not key:
        raise InvalidArguments("the key is empty", hint="a key is a few words, such as: deadline")
    if len(key) > KEY_LENGTH:
        raise InvalidArguments(f"the key is longer than {KEY_LENGTH} characters", hint="take a few words of it")
    return key


def _text(text: str) -> str:
    _check_unicode(text)
    if not text.strip():
        raise InvalidArguments("there is nothing to remember", hint="the text is empty")
    if len(text) > TEXT_LENGTH:
        raise InvalidArguments(f"the text is longer than {TEXT_LENGTH} characters", hint="remember what matters of it")
    return text.strip()


def _check_unicode(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidArguments(f"the text holds half a character at {error.start}") from error
