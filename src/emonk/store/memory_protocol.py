"""What agents remember for their users, found again by its words."""

from typing import Protocol

import msgspec

from emonk.records import Memory

MEMORY_BYTES = 100_000


class MemoryScope(msgspec.Struct, frozen=True):
    """Whose memories: nobody else's can be seen or changed through it."""

    agent: str
    user_id: str


class MemoryStore(Protocol):
    """Memories. Keys are any text, as those of records."""

    async def remember(self, scope: MemoryScope, key: str, text: str) -> Memory:
        """Keep the text under the key, in place of what was there.

        Raises:
            ValueError: the text is longer than `MEMORY_BYTES` in UTF-8, or there is no key.
        """
        ...

    async def recall(self, scope: MemoryScope, key: str) -> Memory | None:
        """What is kept under the key, or None."""
        ...

    async def search_memory(self, scope: MemoryScope, query: str, *, limit: int = 10) -> list[Memory]:
        """Memories whose key or text holds words of the query, those with most of them first, then the latest.

        Words are those of `emonk.store.words`: compared without case and accents, and whole, in any script; a query
        without a word finds nothing. No character of the query has a meaning of its own.
        """
        ...

    async def memories(self, scope: MemoryScope, *, after: str = "", limit: int = 100) -> list[Memory]:
        """All of them in the order of their keys (by code points), from the first after `after`."""
        ...

    async def forget(self, scope: MemoryScope, key: str) -> bool:
        """Remove what is kept under the key; False when nothing was."""
        ...
