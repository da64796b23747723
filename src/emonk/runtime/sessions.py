"""All sessions of an agent in this process: from a message to its reply."""

import asyncio

from emonk.errors import Unavailable
from emonk.events import InboxItem, UserSaid
from emonk.records import Owner, Reply, SessionKey
from emonk.runtime.progress import Emit
from emonk.runtime.renewal import LeaseRenewal
from emonk.runtime.session_queue import Caller, SessionQueue
from emonk.runtime.setup import Setup
from emonk.store.protocol import INBOX_LIMIT, Store


class Sessions:
    """Accepts messages and has their turns run, one at a time in each session."""

    def __init__(self, setup: Setup, store: Store, owner: Owner) -> None:
        self._setup = setup
        self._store = store
        self._owner = owner
        self._renewal = LeaseRenewal(setup.clock)
        self._queues: dict[SessionKey, SessionQueue] = {}
        self._closed = False

    async def deliver(self, item: InboxItem, watch: Emit | None = None) -> Reply:
        """Accept a message and wait for its reply; a cancelled caller cancels the message's turn.

        Raises:
            InfraError, ConfigError: the message was not accepted, or its turn cannot go on for now.
        """
        self._check_open()
        queue = self._queue(item.session)
        caller = Caller(item.session.session_id, item.message_id, watch, item=item)
        queue.join(caller)
        try:
            accepted = await self._store.accept(item, owner=self._owner)
            if accepted.state == "full":
                return _busy(item)
            caller.accepted(_trace_id(item, accepted.reply))
            if accepted.reply is not None:
                return accepted.reply
            self._check_open()
            queue.start(accepted.claimed)
            return await caller.reply
        except asyncio.CancelledError:
            await self._cancelled(queue, caller)
            raise
        finally:
            queue.leave(caller)
            self._tidy(item.session)

    def wait(self) -> float:
        """Seconds until one of the agent's models can be called."""
        return self._setup.candidates.wait()

    async def keep(self, item: InboxItem) -> bool:
        """Accept a message for whoever runs what is due; False when too many wait already.

        Raises:
            InfraError, ConfigError: it was not accepted.
        """
        self._check_open()
        return (await self._store.accept(item)).state != "full"

    async def cancel(self, session: SessionKey) -> bool:
        """End the turn that runs in a session, or the messages that wait for a language model; whether any did."""
        queue = self._queue(session)
        return queue.cancel() or await queue.cancel_waiting()

    async def resume(self, session: SessionKey) -> Reply | None:
        """Run what waits in a session's inbox, or was left unfinished; the last reply, None without one.

        Raises:
            InfraError, ConfigError: the session cannot go on for now.
        """
        self._check_open()
        queue = self._queue(session)
        reply = await asyncio.shield(queue.drain())
        if queue.failure is not None:
            raise queue.failure
        return reply

    async def close(self) -> None:
        """Accept nothing more, stop all turns at once, and leave them to be resumed."""
        self._closed = True
        await asyncio.gather(*(queue.abandon() for queue in list(self._queues.values())))
        self._renewal.close()

    async def _cancelled(self, queue: SessionQueue, caller: Caller) -> None:
        """Whoever goes away takes the turn along, unless somebody else waits for it too.

        A turn that runs has ended when this returns; a message that waits is cancelled when its turn comes.
        """
        if not queue.leave(caller) or self._closed:
            return
        queue.cancel(caller.message_id)
        if not queue.runs(caller.message_id):
            queue.drain()
            return
        ended = Caller(caller.session_id, caller.message_id)
        queue.join(ended)
        await asyncio.wait({ended.reply})

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable("the agent is stopping", hint="ask again with the same message_id")

    def _queue(self, session: SessionKey) -> SessionQueue:
        queue = self._queues.get(session)
        if queue is None:
            queue = SessionQueue(
                session,
                self._setup,
                store=self._store,
                owner=self._owner,
                renewal=self._renewal,
                on_idle=lambda: self._tidy(session),
            )
            self._queues[session] = queue
        return queue

    def _tidy(self, session: SessionKey) -> None:
        queue = self._queues.get(session)
        if queue is not None and queue.idle:
            del self._queues[session]


def _trace_id(item: InboxItem, reply: Reply | None) -> str:
    if reply is not None:
        return reply.trace_id
    return item.event.trace_id if isinstance(item.event, UserSaid) else ""


def _busy(item: InboxItem) -> Reply:
    return Reply(
        text=f"Not accepted: {INBOX_LIMIT} messages of this session wait already. Ask again when some are answered.",
        status="busy",
        session_id=item.session.session_id,
        message_id=item.message_id,
        trace_id=_trace_id(item, None),
        reason="inbox_full",
    )
