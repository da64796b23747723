"""What every part of a holder's view of a `FirestoreDatabase` stands on."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from emonk.errors import Unavailable
from emonk.records import SessionKey
from emonk.store.firestore.database import FirestoreDatabase, Work

T = TypeVar("T")
Closing = Callable[[], bool]


class Holder:
    """Somebody who uses the database until it closes; `closing` says whether it was the last one."""

    def __init__(self, database: FirestoreDatabase, closing: Closing) -> None:
        self._database = database
        self._closing = closing
        self._closed = False

    async def check(self) -> None:
        """See `FirestoreDatabase.check`."""
        self._open()
        await self._database.check()

    async def aclose(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._closing():
            await self._database.aclose()

    def _write(self, session: SessionKey, work: Work[T]) -> asyncio.Future[T]:
        self._open()
        return self._database.write(session, work)

    def _run(self, work: Work[T]) -> asyncio.Future[T]:
        self._open()
        return self._database.run(work)

    def _open(self) -> None:
        if self._closed:
            raise Unavailable("The store is closed", code="store_closed")
        self._database.open()
