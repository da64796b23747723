"""All sessions of an agent in this process: from a message to its reply."""

import asyncio

from emonk.events import InboxItem, UserSaid
from emonk.records import Owner, Reply, SessionKey
from emonk.runtime.dispatch import Emit
from emonk.runtime.keeper import Keeper
from emonk.runtime.lane import Caller, Lane
from emonk.runtime.turn import Setup
from emonk.store.protocol import INBOX_LIMIT, Store


class Lanes:
    """Accepts messages and has their turns run, one at a time in each session."""

    def __init__(self, setup: Setup, store: Store, owner: Owner) -> None:
        self._setup = setup
        self._store = store
        self._owner = owner
        self._keeper = Keeper(setup.clock)
        self._lanes: dict[SessionKey, Lane] = {}

    async def deliver(self, item: InboxItem, watch: Emit | None = None) -> Reply:
        """Accept a message and wait for its reply; a cancelled caller cancels the message's turn.

        Raises:
            InfraError: the message was not accepted, or its turn cannot go on for now.
        """
        lane = self._lane(item.session)
        caller = Caller(item.session.session_id, item.message_id, watch)
        lane.join(caller)
        try:
            accepted = await self._store.accept(item, owner=self._owner)
            reply = accepted.reply if accepted.state != "full" else _busy(item)
            if accepted.state != "full":
                caller.accepted(_trace_id(item, reply))
            if reply is not None:
                return reply
            lane.start(accepted.claimed)
            return await caller.reply
        except asyncio.CancelledError:
            await self._cancelled(lane, caller)
            raise
        finally:
            lane.leave(caller)
            self._tidy(item.session)

    def cancel(self, session: SessionKey) -> bool:
        """End the turn that runs in a session; whether there was one."""
        lane = self._lanes.get(session)
        return lane is not None and lane.cancel()

    async def resume(self, session: SessionKey) -> Reply | None:
        """Run what waits in a session's inbox, or was left unfinished; the last reply, None without one."""
        return await asyncio.shield(self._lane(session).drain())

    async def abandon(self) -> None:
        """Stop all turns at once and leave them to be resumed."""
        await asyncio.gather(*(lane.abandon() for lane in list(self._lanes.values())))
        self._keeper.close()

    async def _cancelled(self, lane: Lane, caller: Caller) -> None:
        """Whoever goes away takes the turn along, unless somebody else waits for it too.

        A turn that runs has ended when this returns; a message that waits is cancelled when its turn comes.
        """
        if not lane.leave(caller):
            return
        lane.cancel(caller.message_id)
        running = lane.runs(caller.message_id)
        ended = Caller(caller.session_id, caller.message_id)
        lane.join(ended)
        lane.start()
        if running:
            await asyncio.wait({ended.reply})
            ended.reply.exception()

    def _lane(self, session: SessionKey) -> Lane:
        lane = self._lanes.get(session)
        if lane is None:
            lane = Lane(
                session,
                self._setup,
                store=self._store,
                owner=self._owner,
                keeper=self._keeper,
                on_idle=lambda: self._tidy(session),
            )
            self._lanes[session] = lane
        return lane

    def _tidy(self, session: SessionKey) -> None:
        lane = self._lanes.get(session)
        if lane is not None and lane.idle:
            del self._lanes[session]


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
