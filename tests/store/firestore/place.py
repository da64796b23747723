"""A Firestore database under test whose answers are lost when a test says so."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from google.api_core.exceptions import ServiceUnavailable

from emonk.clock import SYSTEM_CLOCK, Clock
from emonk.store.firestore.address import Address
from emonk.store.firestore.database import FirestoreDatabase
from emonk.store.firestore.documents import Documents, Write, open_documents
from emonk.store.firestore.store import FirestoreStore


class Severed:
    """Documents whose next request to write is lost, before it arrives or after it was carried out."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self.armed = False
        self.after = False
        self.written = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._documents, name)

    def arm(self, *, after: bool) -> None:
        self.armed, self.after = True, after

    async def write(self, writes: Sequence[Write]) -> list[Any]:
        lost, self.armed = self.armed, False
        if lost and not self.after:
            raise ServiceUnavailable("the connection was lost")
        times = await self._documents.write(writes)
        self.written += 1
        if lost:
            raise ServiceUnavailable("the connection was lost")
        return times


@asynccontextmanager
async def severed(url: str, clock: Clock = SYSTEM_CLOCK) -> AsyncGenerator[tuple[FirestoreStore, Severed]]:
    address = Address(url)
    lost = Severed(await open_documents(address))

    async def opening() -> Any:
        return lost

    database = FirestoreDatabase(address, clock, opening=opening)
    store = FirestoreStore(database, lambda: True)
    await database.ready()
    try:
        yield store, lost
    finally:
        await store.aclose()
        assert not lost.armed
