"""Records under keys, changed by compare-and-set: approvals, effects, and what tenants keep."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from emonk.records import Record, SessionKey

RECORD_BYTES = 800_000
"""What fits into a document of Firestore (1 MiB) with its key and its indexes."""


class Put(msgspec.Struct, frozen=True, kw_only=True):
    """Write a record where its version is `expected_version`; 0 is for one that is not there yet."""

    namespace: str
    key: str
    data: bytes
    expected_version: int
    session: SessionKey | None = None
    state: str = ""
    due_at: int | None = None


class RecordStore(Protocol):
    """Records. A key or a namespace is any text; it may hold slashes, quotes, NUL, and be 10,000 characters long.

    Only a key cannot be empty. What is no text (half a character, U+D800 to U+DFFF) is `InvalidConfig` everywhere.
    """

    async def record(self, namespace: str, key: str) -> Record | None:
        """One record, or None."""
        ...

    async def put(self, puts: Sequence[Put]) -> list[Record]:
        """Write all or none; the records as they are now, in the order of the puts.

        Raises:
            Conflict: one of them names a version that is not the present one.
            ValueError: two of them name the same record, one has no key or a version below 0, or `data` is longer than
                `RECORD_BYTES`.
        """
        ...

    async def remove(self, namespace: str, key: str, *, expected_version: int) -> None:
        """Remove a record.

        Raises:
            Conflict: its version is another, or it is not there.
        """
        ...

    async def records(
        self,
        namespace: str,
        *,
        prefix: str = "",
        session: SessionKey | None = None,
        state: str | None = None,
        after: str = "",
        limit: int = 100,
    ) -> list[Record]:
        """Records of a namespace in the order of their keys (by code points), from the first after `after`."""
        ...

    async def due_records(self, namespace: str, *, limit: int = 100) -> list[Record]:
        """Records whose `due_at` has come by the store's clock, the longest due first."""
        ...
