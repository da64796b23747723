"""A turn's hold on its session: the lease, the revision, the open calls, and every write.

`note` returns at once: its events are written together with what follows within `GATHER_SECONDS`, and a turn that
must not go on before they are durable waits for `flush`. `finish` and `release` write what was noted before them.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence

from emonk.errors import Unavailable
from emonk.events import Event, Logged, ModelSaid, ToolReturned
from emonk.messages import ToolCall
from emonk.records import Lease, Record, Reply, SessionKey, UsageRow
from emonk.resilience.later import Later
from emonk.store.protocol import Append, Bill, Finish, Operation, Release, Store
from emonk.store.record_protocol import Put

GATHER_SECONDS = 0.005

_log = logging.getLogger("emonk.runtime")


class _Write(asyncio.Future[None]):
    """A write that is under way: whoever waits for it is cancelled when it has ended."""

    def cancel(self, msg: object = None) -> bool:  # noqa: ARG002 - as in `Future`
        return False


class Journal:
    """Writes one session's log under a lease.

    Attributes:
        reply: of the finished turn, once it is durable.
        events: what the turn started from and all that was noted since, with the revisions that they will have.

    One write is under way at a time, and it is waited for even when the turn is cancelled meanwhile, so that
    the revision is always the one that the store has.
    """

    def __init__(
        self,
        store: Store,
        lease: Lease,
        revision: int,
        open_calls: Iterable[ToolCall] = (),
        events: Iterable[Logged] = (),
        *,
        gathering: Later | None = None,
    ) -> None:
        self._store = store
        self._gathering = gathering or Later(GATHER_SECONDS)
        self._open = {call.id: call for call in open_calls}
        self._noted: list[Event] = []
        self._puts: list[Put] = []
        self._rows: dict[str, UsageRow] = {}
        self._next = revision + 1
        self._gathers = False
        self._write: _Write | None = None
        self._failed: BaseException | None = None
        self.lease = lease
        self.revision = revision
        self.reply: Reply | None = None
        self.events = list(events)

    @property
    def open_calls(self) -> tuple[ToolCall, ...]:
        """The calls in the log that have no result yet."""
        return tuple(self._open.values())

    def note(self, events: Sequence[Event]) -> None:
        """Have events written soon. Never raises: `check` does, and the next `flush` or `finish`."""
        self._keep(events)
        self._gather()

    def bill(self, row: UsageRow) -> None:
        """Have a usage row written soon, like `note`; a later one of its call takes the place of one not yet written.

        Never lost with a turn that lost its session, and told apart from the log where nothing else is to be written.
        """
        self._rows[row.row_id] = row
        self._gather()

    def put(self, put: Put) -> None:
        """Have a record written in one commit with the events that are noted next. Never raises, as `note`."""
        self._puts.append(put)

    async def record(self, namespace: str, key: str) -> Record | None:
        """One record of the store, as it is there."""
        return await self._store.record(namespace, key)

    async def records(
        self,
        namespace: str,
        *,
        session: SessionKey | None = None,
        state: str | None = None,
        after: str = "",
        limit: int = 100,
    ) -> list[Record]:
        """Records of the store in the order of their keys, as they are there."""
        return await self._store.records(namespace, session=session, state=state, after=after, limit=limit)

    def check(self) -> None:
        """Find out before more work is done whether a write has failed meanwhile.

        Raises:
            InfraError, ConfigError: it did; the log is as it was before that write.
        """
        if self._failed is not None:
            raise self._failed

    async def flush(self) -> None:
        """Make durable what was noted and put.

        Raises:
            InfraError, ConfigError: this write failed, or an earlier one.
        """
        if self._noted or self._puts or self._rows:
            await self._begin()
        elif self._write is not None:
            await self._write
        self.check()

    async def finish(
        self,
        events: Sequence[Event],
        reply: Reply,
        close: Callable[[ToolCall], ToolReturned],
        *,
        tokens: int | None = None,
    ) -> None:
        """Make the last events and the reply durable, and give the lease back.

        Calls that are still open get the result that `close` gives them, before the last event. `tokens` is the
        estimated size of the context that the next turn starts from.

        Raises:
            InfraError, ConfigError: this write failed, or an earlier one.
        """
        self._keep(events[:-1])
        self._keep([close(call) for call in self.open_calls])
        self._keep(events[-1:])
        await self._begin(Finish(reply, tokens), Release())
        self.check()

    async def release(self) -> None:
        """Give the lease back with the turn unfinished: whoever claims it next resumes from what is in the log.

        What was noted is still written, unless a write has failed: then what came after it is dropped.

        Raises:
            InfraError, ConfigError: the write failed.
        """
        if self._write is not None:
            await self._write
        if self._failed is not None:
            self._failed = None
            self._noted.clear()
            self._puts.clear()
        await self._begin(Release())
        self.check()

    async def renew(self) -> None:
        """Hold the lease for longer."""
        self.lease = await self._store.renew(self.lease)

    def _keep(self, events: Sequence[Event]) -> None:
        for event in events:
            self._noted.append(event)
            self.events.append(Logged(self._next, 0, event))
            self._next += 1
            if isinstance(event, ModelSaid):
                for part in event.message.parts:
                    if isinstance(part, ToolCall):
                        self._open[part.id] = part
            elif isinstance(event, ToolReturned):
                self._open.pop(event.result.call_id, None)

    def _gather(self) -> None:
        if not self._gathers:
            self._gathers = True
            self._gathering.add(self, self._due)

    def _due(self) -> None:
        """The time of gathering is over. Rows alone need neither the lease nor their turn."""
        self._gathers = False
        if self._noted or self._puts:
            self._begin()
        else:
            self.bill_now()

    def bill_now(self) -> None:
        """Hand over the rows that wait, for when nothing will be written after them."""
        rows, self._rows = self._rows, {}
        self._bill_apart(tuple(rows.values()))

    def _begin(self, *after: Finish | Release) -> _Write:
        if self._gathers:
            self._gathers = False
            self._gathering.drop(self)
        earlier, self._write = self._write, _Write()
        if earlier is None or earlier.done():
            self._hand_over(after, self._write)
        else:
            write = self._write
            earlier.add_done_callback(lambda _: self._hand_over(after, write))
        return self._write

    def _hand_over(self, after: tuple[Finish | Release, ...], write: _Write) -> None:
        rows, self._rows = tuple(self._rows.values()), {}
        if self._failed is not None:
            self._bill_apart(rows)
            write.set_result(None)
            return
        events, self._noted = tuple(self._noted), []
        operations: tuple[Operation, ...] = (Append(events), *after) if events else after
        if self._puts:
            operations = (*self._puts, *operations)
            self._puts = []
        if rows:
            operations = (Bill(rows), *operations)

        def written(committed: "asyncio.Future[int]") -> None:
            self._written(committed, after)
            if self._failed is not None:
                self._bill_apart(rows)
            write.set_result(None)

        try:
            committed = self._store.commit(operations, fence=self.lease, expected_revision=self.revision)
        except Exception as error:  # noqa: BLE001 - kept for `check`; a write without an end would hang the session
            self._failed = error
            self._bill_apart(rows)
            write.set_result(None)
        else:
            committed.add_done_callback(written)

    def _written(self, committed: "asyncio.Future[int]", after: tuple[Finish | Release, ...]) -> None:
        if committed.cancelled():
            self._failed = Unavailable("the store gave up a write")
            return
        self._failed = committed.exception()
        if self._failed is None:
            self.revision = committed.result()
            self.reply = next((one.reply for one in after if isinstance(one, Finish)), self.reply)

    def _bill_apart(self, rows: Sequence[UsageRow]) -> None:
        """What a call took is owed also where its turn cannot be written any more, as after another took it over."""
        if not rows:
            return
        try:
            self._store.bill(rows).add_done_callback(told)
        except Exception as error:  # noqa: BLE001 - logged; the turn has failed already
            _log.warning("%d usage rows could not be written: %s", len(rows), error)


def told(billed: "asyncio.Future[None]") -> None:
    """Say that rows were not written."""
    if not billed.cancelled() and (error := billed.exception()) is not None:
        _log.warning("usage rows could not be written: %s", error)
