"""A turn's hold on its session: the lease, the revision, the open calls, and every write."""

import asyncio
from collections.abc import Iterable, Sequence

from emonk.events import Event, ModelSaid, ToolReturned
from emonk.messages import ToolCall, ToolResult
from emonk.records import Lease, Reply
from emonk.store.protocol import Append, Finish, Operation, Release, Store


class Journal:
    """Writes one session's log under a lease.

    A write that was handed to the store is waited for even when the turn is cancelled meanwhile, so that the
    revision and the open calls are always those that the store has.
    """

    def __init__(self, store: Store, lease: Lease, revision: int, open_calls: Iterable[ToolCall] = ()) -> None:
        self._store = store
        self._open = {call.id: call for call in open_calls}
        self.lease = lease
        self.revision = revision

    @property
    def open_calls(self) -> tuple[ToolCall, ...]:
        """The calls in the log that have no result yet."""
        return tuple(self._open.values())

    async def append(self, events: Sequence[Event]) -> None:
        """Make events durable."""
        await self._commit((Append(tuple(events)),), events)

    async def finish(self, events: Sequence[Event], reply: Reply, *, why: str) -> None:
        """Make the last events and the reply durable, and give the lease back.

        Calls that are still open get a synthetic result, which says `why`.
        """
        left = {**self._open, **{call.id: call for event in events for call in _calls(event)}}
        closing = [ToolReturned(result=ToolResult(call.id, call.name, why, "not_run")) for call in left.values()]
        events = (*events[:-1], *closing, events[-1])
        await self._commit((Append(events), Finish(reply), Release()), events)

    async def release(self) -> None:
        """Give the lease back with the turn unfinished: whoever claims it next resumes."""
        await self._commit((Release(),), ())

    async def renew(self) -> None:
        """Hold the lease for longer."""
        self.lease = await self._store.renew(self.lease)

    async def _commit(self, operations: tuple[Operation, ...], events: Sequence[Event]) -> None:
        write = asyncio.ensure_future(self._store.commit(operations, fence=self.lease, expected_revision=self.revision))
        try:
            self._written(await asyncio.shield(write), events)
        except asyncio.CancelledError:
            await asyncio.wait({write})
            if not write.cancelled() and write.exception() is None:
                self._written(write.result(), events)
            raise

    def _written(self, revision: int, events: Sequence[Event]) -> None:
        self.revision = revision
        for event in events:
            self._open.update((call.id, call) for call in _calls(event))
            if isinstance(event, ToolReturned):
                self._open.pop(event.result.call_id, None)


def _calls(event: Event) -> tuple[ToolCall, ...]:
    return event.message.tool_calls if isinstance(event, ModelSaid) else ()
