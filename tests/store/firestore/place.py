"""A Firestore database under test whose answers are lost when a test says so."""

import asyncio
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
        self.server_time = documents.server_time
        self.armed = False
        self.after = False
        self._writes_left = 1_000_000

    def __getattr__(self, name: str) -> Any:
        return getattr(self._documents, name)

    def arm(self, *, after: bool) -> None:
        self.armed, self.after = True, after

    def stop_after(self, writes: int) -> None:
        """End whoever writes more than that, as a process is ended."""
        self._writes_left = writes

    def go_on(self) -> None:
        self._writes_left = 1_000_000

    def after_minutes(self, minutes: int) -> Any:
        """The same documents, later."""
        later = Severed(self._documents)
        told = self._documents.server_time
        later.server_time = lambda: told() + minutes * 60_000_000
        return later

    async def write(self, writes: Sequence[Write]) -> list[Any]:
        lost, self.armed = self.armed, False
        if lost and not self.after:
            raise ServiceUnavailable("the connection was lost")
        if self._writes_left == 0:
            raise asyncio.CancelledError
        self._writes_left -= 1
        times = await self._documents.write(writes)
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
