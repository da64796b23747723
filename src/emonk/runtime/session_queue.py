"""The turns of one session in this process, one after another.

Callers wait for the reply to their own message; the queue claims whatever the session's inbox holds, oldest first,
and runs it. Another process may be at work on the same session: then the queue waits for it.
"""

import asyncio
import logging
from collections.abc import Callable
from functools import partial

from emonk.errors import EmonkError, SessionNotFound, StaleSession, Unavailable
from emonk.events import InboxItem, UserSaid
from emonk.records import Owner, Reply, SessionKey
from emonk.runtime.asking import Postponed
from emonk.runtime.compression.cut import whole_turn
from emonk.runtime.context import open_calls
from emonk.runtime.ending import CANCELLED
from emonk.runtime.journal import Journal
from emonk.runtime.progress import Emit, MessageAccepted, TurnEvent
from emonk.runtime.renewal import LeaseRenewal
from emonk.runtime.setup import Setup
from emonk.runtime.turn import Turn
from emonk.store.protocol import Claimed, Store

POLL_SECONDS = 0.05
LONGEST_POLL_SECONDS = 0.4

_log = logging.getLogger("emonk.runtime")


class Caller:
    """Somebody who waits for the reply to a message, and may watch the turn; `item` is of who brought the message."""

    def __init__(
        self, session_id: str, message_id: str, watch: Emit | None = None, *, item: InboxItem | None = None
    ) -> None:
        self.item = item
        self.session_id = session_id
        self.message_id = message_id
        self.watch = watch
        self.reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self.reply.add_done_callback(_seen)  # who has got a reply otherwise does not look here
        self._told = False

    def accepted(self, trace_id: str) -> None:
        """Tell the watcher, once, that the message is durable."""
        if self.watch and not self._told:
            self.watch(MessageAccepted(self.session_id, self.message_id, trace_id))
        self._told = True


class SessionQueue:
    """Runs a session's turns while somebody waits for them, then calls `on_idle`.

    Attributes:
        failure: why the session could not go on when it was last tried, None when it could.
    """

    def __init__(
        self,
        session: SessionKey,
        setup: Setup,
        *,
        store: Store,
        owner: Owner,
        renewal: LeaseRenewal,
        on_idle: Callable[[], None],
    ) -> None:
        self._session = session
        self._setup = setup
        self._store = store
        self._owner = owner
        self._renewal = renewal
        self._on_idle = on_idle
        self._callers: dict[str, list[Caller]] = {}
        self._cancelled: set[str] = set()
        self._given: list[Claimed] = []
        self._woken: asyncio.Future[None] | None = None
        self._task: asyncio.Task[Reply | None] | None = None
        self._turn: Turn | None = None
        self._draining = False
        self._stopping = False
        self._impatient = False
        self._ended = False
        self._patience = POLL_SECONDS
        self._begun: int | None = None
        self.failure: EmonkError | None = None

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
            if self._woken is not None and not self._woken.done():
                self._woken.set_result(None)
        if self._task is None:
            self._task = asyncio.create_task(self._work())
        return self._task

    def drain(self) -> "asyncio.Task[Reply | None]":
        """Run everything that the inbox holds, also what nobody here waits for."""
        self._draining = True
        return self.start()

    async def cancel_waiting(self) -> bool:
        """End what waits for a language model as cancelled, and run what waits behind it; whether there was any."""
        if not self.idle:
            return False
        self._impatient, self._ended = True, False
        await asyncio.gather(self.drain(), return_exceptions=True)
        self._impatient = False
        return self._ended

    def runs(self, message_id: str) -> bool:
        """Whether this message's turn is the one that runs."""
        return self._turn is not None and self._turn.message_id == message_id

    def cancel(self, message_id: str | None = None) -> bool:
        """End the turn that runs; with a `message_id`, end that one, at the latest when its turn comes.

        False when there is nothing to end, or when it is ending already.
        """
        if self._turn is not None and self._task is not None and message_id in (None, self._turn.message_id):
            return not self._turn.closing and self._task.cancel()
        waiting = message_id or (self._given[0].item.message_id if self._given else None)
        if waiting is not None:
            self._cancelled.add(waiting)
        return waiting is not None

    async def abandon(self) -> None:
        """Stop, and leave everything that has not ended to be resumed."""
        self._stopping = True
        if self._task is None:
            return
        if self._turn is None:
            self._task.cancel()
        elif not self._turn.closing:
            self._turn.abandoned = True
            self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _work(self) -> Reply | None:
        reply: Reply | None = None
        self.failure = None
        try:
            while not self._stopping:
                claimed = self._given.pop(0) if self._given else await self._store.claim(self._session, self._owner)
                if claimed is not None:
                    self._patience = POLL_SECONDS
                    reply = await self._run(claimed) or reply
                    if not self._callers and not self._given and not self._draining:
                        break
                elif not await self._wait_for_others():
                    break
        except EmonkError as error:
            level = logging.INFO if isinstance(error, Postponed) else logging.WARNING
            _log.log(level, "session %s cannot go on: %s", self._session.session_id, error)
            self._fail(error)
        except (Exception, GeneratorExit) as error:  # noqa: BLE001 - logged, and told to all who wait
            _log.exception("session %s cannot go on", self._session.session_id)
            self._fail(
                Unavailable(f"something went wrong inside emonk ({type(error).__name__})", code="internal_error")
            )
        finally:
            self._rest()
        return reply

    def _rest(self) -> None:
        """The task ends. What was handed over meanwhile starts another one."""
        self._task = None
        self._draining = False
        if self._stopping:
            self._fail(Unavailable("the agent stopped", hint="the message is kept: ask again with its message_id"))
        elif self._given:
            self.start()
            return
        self._cancelled.clear()
        self._on_idle()

    async def _run(self, claimed: Claimed) -> Reply | None:
        item = claimed.item
        begun = open_calls(claimed.events) if claimed.resumed else ()
        gathering = self._setup.gathering
        journal = Journal(self._store, claimed.lease, claimed.revision, begun, claimed.events, gathering=gathering)
        callers = self._callers.setdefault(item.message_id, [])
        for caller in callers:
            caller.accepted(item.event.trace_id if isinstance(item.event, UserSaid) else "")

        def emit(event: TurnEvent) -> None:
            for caller in callers:
                if caller.watch:
                    caller.watch(event)

        watched = any(caller.watch for caller in callers)
        try:
            if claimed.resumed:
                claimed = await whole_turn(self._store, claimed)
                journal.events[:] = claimed.events
            self._turn = Turn(self._setup, claimed, journal, emit=emit, watched=watched, background=not callers)
            self._renewal.hold(journal, partial(self.cancel, item.message_id))
            waited = self._impatient and isinstance(item.event, UserSaid) and item.event.patient
            self._ended = self._ended or waited
            cancelled = waited or item.message_id in self._cancelled
            reply = await (self._turn.finish(CANCELLED) if cancelled else self._turn.run())
        except StaleSession:
            return None  # another writer took the session over and will run the message
        except Postponed:
            raise  # the turn has given its lease back
        except Exception:
            await self._give_back(journal)
            raise
        finally:
            self._turn = None
            self._renewal.let_go(journal)
            journal.bill_now()
            self._cancelled.discard(item.message_id)
        self._resolve(item.message_id, reply)
        return reply

    async def _give_back(self, journal: Journal) -> None:
        try:
            await journal.release()
        except EmonkError as error:
            _log.warning("the lease of session %s ends by its expiry: %s", self._session.session_id, error)

    async def _wait_for_others(self) -> bool:
        """False when nobody waits here any more; else give the process that has the session some time."""
        for message_id in list(self._callers):
            reply = await self._store.reply(self._session, message_id)
            if reply is not None:
                self._resolve(message_id, reply)
        if self._callers and not self._given and self._patience >= LONGEST_POLL_SECONDS:
            await self._see_that_all_wait()
        if self._callers and not self._given:
            await self._nap()
        return bool(self._callers or self._given)

    async def _see_that_all_wait(self) -> None:
        """A session that was deleted took the messages along. They go into one that has begun anew.

        Raises:
            SessionNotFound: there is none any more.
            Unavailable: too many messages wait in the new one.
        """
        session = await self._store.session(self._session)
        if session is None:
            raise SessionNotFound(
                f"session {self._session.session_id!r:.80} was deleted before the message's turn came"
            )
        if session.created_at == self._begun:
            return
        self._begun = session.created_at
        for item in [caller.item for waiting in self._callers.values() for caller in waiting if caller.item]:
            if (await self._store.accept(item)).state == "full":
                raise Unavailable("too many messages of this session wait already", code="inbox_full")

    async def _nap(self) -> None:
        """Until a turn is handed over, or for a while: the longer it lasts, the more seldom the store is asked."""
        woken = self._woken = asyncio.get_running_loop().create_future()
        alarm = asyncio.ensure_future(self._setup.clock.sleep(self._patience))
        try:
            await asyncio.wait({woken, alarm}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            woken.cancel()
            alarm.cancel()
        self._patience = min(2 * self._patience, LONGEST_POLL_SECONDS)

    def _resolve(self, message_id: str, reply: Reply) -> None:
        for caller in self._callers.pop(message_id, ()):
            if not caller.reply.done():
                caller.reply.set_result(reply)

    def _fail(self, error: EmonkError) -> None:
        self.failure = error
        callers = [caller for waiting in self._callers.values() for caller in waiting]
        self._callers.clear()
        for caller in callers:
            if not caller.reply.done():
                caller.reply.set_exception(error)


def _seen(reply: "asyncio.Future[Reply]") -> None:
    """An error that nobody asks for is none that was forgotten."""
    if not reply.cancelled():
        reply.exception()
