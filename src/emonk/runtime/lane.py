"""The turns of one session in this process, one after another.

Callers wait for the reply to their own message; the lane claims whatever the session's inbox holds, oldest first,
and runs it. Another process may be at work on the same session: then the lane waits for it.
"""

import asyncio
import logging
from collections.abc import Callable

from emonk.errors import EmonkError, InfraError, StaleSession, Unavailable
from emonk.events import UserSaid
from emonk.records import Owner, Reply, SessionKey
from emonk.runtime.context import open_calls
from emonk.runtime.dispatch import Emit
from emonk.runtime.journal import Journal
from emonk.runtime.keeper import Keeper
from emonk.runtime.progress import MessageAccepted, TurnEvent
from emonk.runtime.turn import Setup, Turn
from emonk.store.protocol import Claimed, Store

POLL_SECONDS = 0.05

_log = logging.getLogger("emonk.runtime")


class Caller:
    """Somebody who waits for the reply to a message, and may watch the turn."""

    def __init__(self, session_id: str, message_id: str, watch: Emit | None = None) -> None:
        self.session_id = session_id
        self.message_id = message_id
        self.watch = watch
        self.reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._told = False

    def accepted(self, trace_id: str) -> None:
        """Tell the watcher, once, that the message is durable."""
        if self.watch and not self._told:
            self.watch(MessageAccepted(self.session_id, self.message_id, trace_id))
        self._told = True


class Lane:
    """Runs a session's turns while there are any, then calls `on_idle`."""

    def __init__(
        self,
        session: SessionKey,
        setup: Setup,
        *,
        store: Store,
        owner: Owner,
        keeper: Keeper,
        on_idle: Callable[[], None],
    ) -> None:
        self._keeper = keeper
        self._setup = setup
        self._store = store
        self._owner = owner
        self._session = session
        self._on_idle = on_idle
        self._callers: dict[str, list[Caller]] = {}
        self._cancelled: set[str] = set()
        self._given: list[Claimed] = []
        self._task: asyncio.Task[Reply | None] | None = None
        self._turn: Turn | None = None
        self._draining = False

    @property
    def idle(self) -> bool:
        """Nothing runs and nobody waits."""
        return self._task is None and not self._callers

    def join(self, caller: Caller) -> None:
        """Wait for the reply to a message that is, or is about to be, in the inbox."""
        self._callers.setdefault(caller.message_id, []).append(caller)

    def leave(self, caller: Caller) -> bool:
        """Stop waiting; whether nobody else waits for that message."""
        waiting = self._callers.get(caller.message_id, [])
        if caller in waiting:
            waiting.remove(caller)
        if not waiting:
            self._callers.pop(caller.message_id, None)
        return not waiting

    def start(self, claimed: Claimed | None = None) -> "asyncio.Task[Reply | None]":
        """Run what waits, beginning with a turn that is claimed already; the task's result is the last reply."""
        if claimed is not None:
            self._given.append(claimed)
        if self._task is None:
            self._task = asyncio.create_task(self._work())
        return self._task

    def drain(self) -> "asyncio.Task[Reply | None]":
        """Run everything that the inbox holds, also what nobody here waits for."""
        self._draining = True
        return self.start()

    def runs(self, message_id: str) -> bool:
        """Whether this message's turn is the one that runs."""
        return self._turn is not None and self._turn.message_id == message_id

    def cancel(self, message_id: str | None = None) -> bool:
        """End the turn that runs; with a `message_id`, end that one, at the latest when its turn comes."""
        if self._turn is not None and self._task is not None and message_id in (None, self._turn.message_id):
            return self._task.cancel()
        next_id = message_id or (self._given[0].item.message_id if self._given else None)
        if next_id is not None:
            self._cancelled.add(next_id)
        return next_id is not None

    async def abandon(self) -> None:
        """Stop at once and leave everything to be resumed."""
        if self._turn is not None:
            self._turn.abandoned = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _work(self) -> Reply | None:
        reply = None
        try:
            while True:
                claimed = self._given.pop(0) if self._given else await self._store.claim(self._session, self._owner)
                if claimed is not None:
                    reply = await self._run(claimed) or reply
                    if not self._callers and not self._given and not self._draining:
                        return reply
                elif not await self._wait_for_others():
                    return reply
        except EmonkError as error:
            _log.error("session %s cannot go on: %s", self._session.session_id, error)
            self._fail(error)
            return reply
        finally:
            self._fail(Unavailable("the agent stopped", hint="the message is kept: ask again with its message_id"))
            self._task = None
            self._draining = False
            self._on_idle()

    async def _run(self, claimed: Claimed) -> Reply | None:
        item = claimed.item
        journal = Journal(self._store, claimed.lease, claimed.revision, open_calls(claimed.events))
        callers = self._callers.setdefault(item.message_id, [])
        for caller in callers:
            caller.accepted(item.event.trace_id if isinstance(item.event, UserSaid) else "")

        def emit(event: TurnEvent) -> None:
            for caller in callers:
                if caller.watch:
                    caller.watch(event)

        watched = any(caller.watch for caller in callers)
        self._turn = Turn(self._setup, claimed, journal, emit=emit, streaming=watched)
        self._keeper.hold(journal, self.cancel)
        try:
            cancelled = item.message_id in self._cancelled
            reply = await (self._turn.cancelled() if cancelled else self._turn.run())
        except StaleSession:
            return None  # another writer took the session over and will run the message
        except InfraError:
            await self._give_back(journal)
            raise
        finally:
            self._turn = None
            self._keeper.let_go(journal)
            self._cancelled.discard(item.message_id)
        self._resolve(item.message_id, reply)
        return reply

    async def _give_back(self, journal: Journal) -> None:
        try:
            await journal.release()
        except InfraError as error:
            _log.warning("the lease of session %s ends by its expiry: %s", self._session.session_id, error)

    async def _wait_for_others(self) -> bool:
        """False when nobody waits here any more; else give the process that has the session some time."""
        for message_id in list(self._callers):
            reply = await self._store.reply(self._session, message_id)
            if reply is not None:
                self._resolve(message_id, reply)
        if not self._callers and not self._given:
            return False
        await self._setup.clock.sleep(POLL_SECONDS)
        return True

    def _resolve(self, message_id: str, reply: Reply) -> None:
        for caller in self._callers.pop(message_id, ()):
            if not caller.reply.done():
                caller.reply.set_result(reply)

    def _fail(self, error: EmonkError) -> None:
        callers = [caller for waiting in self._callers.values() for caller in waiting]
        self._callers.clear()
        for caller in callers:
            if not caller.reply.done():
                caller.reply.set_exception(error)
