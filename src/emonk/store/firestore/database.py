"""A Firestore database as this process uses it: in order within a session, and again where an answer was lost."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from emonk.clock import SYSTEM_CLOCK, Clock, timestamp
from emonk.errors import EmonkError, InvalidConfig, Unavailable
from emonk.records import Lease, SessionKey
from emonk.store.firestore.address import Address
from emonk.store.firestore.documents import Documents, Write, open_documents
from emonk.store.firestore.errors import Moved, explain, is_lost
from emonk.store.firestore.layout import session_path
from emonk.store.firestore.logs import Logs
from emonk.store.firestore.state import Held, State, fields_of, held
from emonk.store.lanes import Lanes

T = TypeVar("T")
Work = Callable[[Documents, bool], Awaitable[T]]
"""One transaction; told whether it may have been carried out before."""
Opening = Callable[[], Awaitable[Documents]]

PATIENCE = 10.0
"""Seconds in which a database that was lost may come back, or others may stop to write at the same time."""
TIDY_SECONDS = 600.0
SCHEMA = 1
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.5
_HELD_LIMIT = 1000
_MARK = ""
"""The document that all others lie under tells the version of what it holds."""


class FirestoreDatabase:
    """One database and its client, shared by all who hold it in one event loop.

    Time is the server's own, unless a clock other than the system's is given, which then stands for it.
    A session whose lease this process holds is remembered as it was written last, so that the next write
    of its turn needs no read: it is refused, and starts over with one, when the document was written since.
    """

    def __init__(
        self, address: Address, clock: Clock, *, patience: float = PATIENCE, opening: Opening | None = None
    ) -> None:
        self.clock = clock
        self.logs = Logs()
        self._address = address
        self._patience = patience
        self._opening = opening or (lambda: open_documents(address))
        self._documents: Documents | None = None
        self._lanes = Lanes()
        self._held: dict[SessionKey, Held] = {}
        self._tidy_at = 0.0
        self._getting_ready = asyncio.Lock()
        self._closed = False

    def now(self, documents: Documents) -> int:
        """The store's time in UTC microseconds."""
        return documents.server_time() if self.clock is SYSTEM_CLOCK else timestamp(self.clock)

    def write(self, session: SessionKey, work: Work[T]) -> asyncio.Future[T]:
        """Run a job of a session after all that were handed over for it before; it goes on if nobody waits."""
        return self._lanes.after(session, lambda: self._carry_out(work, self._patience))

    def run(self, work: Work[T]) -> asyncio.Future[T]:
        """Run a job that belongs to no session's order; it sees every write that was answered before."""
        return self._lanes.beside(lambda: self._carry_out(work, self._patience))

    async def find(self, documents: Documents, session: SessionKey) -> Held | None:
        """A session as it is now."""
        (found,) = await documents.get(session_path(session))
        return None if found is None else held(found)

    def held(self, lease: Lease) -> Held | None:
        """A session as this process wrote it last, if it held the lease then."""
        known = self._held.get(lease.session)
        return known if known is not None and known.state.fence == lease.fence else None

    async def save(self, documents: Documents, before: Held | None, state: State, *others: Write) -> None:
        """Write a session's new state and other documents, if nobody else has written it since `before`.

        Raises:
            Moved: somebody has.
        """
        key, fields = state.key, fields_of(state)
        self._held.pop(key, None)
        path = session_path(key)
        first = Write("create", path, fields) if before is None else Write("update", path, fields, before.seen)
        times = await documents.write((first, *others))
        if state.owner is not None:
            self._held[key] = Held(state, times[0])
            while len(self._held) > _HELD_LIMIT:
                del self._held[next(iter(self._held))]

    def forget(self, session: SessionKey) -> None:
        """What is known of the session may not be true any more."""
        self._held.pop(session, None)

    async def ready(self) -> None:
        """Connect, and see that the store is of a version that can be used.

        Raises:
            ConfigError: the database cannot be used.
            Unavailable: it cannot be reached.
        """
        async with self._getting_ready:
            await self.check()

    async def check(self) -> None:
        """See that the database answers, and holds nothing that only a newer emonk knows.

        Raises:
            EmonkError: it does not.
        """

        async def checking(documents: Documents, _again: bool) -> None:
            (mark,) = await documents.get(_MARK)
            version = SCHEMA if mark is None else mark.fields.get("schema")
            if not isinstance(version, int) or version > SCHEMA:
                raise InvalidConfig(
                    f"{self._address.place} was written by a newer emonk (schema {version}, this one knows {SCHEMA})",
                    hint="upgrade emonk, or name another prefix in the store's URL",
                )
            if mark is None:
                await documents.write((Write("create", _MARK, {"schema": SCHEMA}),))

        await self._lanes.beside(lambda: self._carry_out(checking, 0))

    def is_time_to_tidy(self) -> bool:
        """Whether it is long ago that somebody looked for what interrupted deletions have left."""
        now = self._lanes.loop.time()
        if now < self._tidy_at:
            return False
        self._tidy_at = now + TIDY_SECONDS
        return True

    def abandon(self) -> None:
        """Refuse whatever comes, in a child of `fork`: the connection is its parent's."""
        self._closed = True

    async def aclose(self) -> None:
        """Finish what was handed over, then close."""
        if self._closed:
            return
        self._closed = True
        await self._lanes.empty()
        if self._documents is not None:
            await self._documents.aclose()

    def open(self) -> None:
        """See that it may be used here.

        Raises:
            Unavailable: it was closed.
            InvalidConfig: it belongs to another event loop.
        """
        if self._closed:
            raise Unavailable("The store is closed", code="store_closed")
        if asyncio.get_running_loop() is not self._lanes.loop:
            raise InvalidConfig(f"{self._address.place} was opened in another event loop", hint="connect in each loop")

    async def _carry_out(self, work: Work[T], patience: float) -> T:
        """Until it is known to be done or not to be, or `patience` seconds after the first failure."""
        until, pause, again, unsure = None, _FIRST_PAUSE, False, False
        while True:
            try:
                if self._documents is None:
                    self._documents = await self._opening()
                return await work(self._documents, again)
            except EmonkError:
                raise
            except Exception as error:
                again, lost = True, is_lost(error)
                unsure = unsure or lost
                until = until or self._lanes.loop.time() + (patience if lost else self._patience)
                if not (lost or isinstance(error, Moved)) or self._lanes.loop.time() >= until:
                    raise self._explained(error, unsure=unsure) from error
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - so that two who met do not meet again
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _explained(self, error: Exception, *, unsure: bool) -> EmonkError:
        reason = explain(error, self._address)
        if unsure and isinstance(reason, Unavailable):
            text = f"{reason.message}; what was under way may or may not have been kept"
            return Unavailable(text, hint=reason.hint, code="outcome_not_known")
        return reason
