"""A store that fails when a test says so, around a real one."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from emonk.clock import SYSTEM_CLOCK, Clock
from emonk.errors import EmonkError
from emonk.records import Lease
from emonk.store.connect import connect
from emonk.store.protocol import Operation
from emonk.store.sqlite.store import SqliteStore


class FailingStore(SqliteStore):
    """Fails the writes that `fail` gives an error for, by their number from 1."""

    fail: Callable[[int], EmonkError | None]
    renewing: Callable[[], EmonkError | None]
    commits = 0
    renewals = 0

    def commit(self, operations: Sequence[Operation], *, fence: Lease, expected_revision: int) -> asyncio.Future[int]:
        self.commits += 1
        error = self.fail(self.commits)
        if error is None:
            return super().commit(operations, fence=fence, expected_revision=expected_revision)
        refused: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        refused.set_exception(error)
        return refused

    async def renew(self, lease: Lease) -> Lease:
        self.renewals += 1
        error = self.renewing()
        if error is not None:
            raise error
        return await super().renew(lease)


async def failing_store(directory: Path, clock: Clock = SYSTEM_CLOCK) -> FailingStore:
    """A store in this directory that does not fail yet."""
    store = await connect(f"sqlite:///{directory / 'failing.db'}", clock=clock)
    store.__class__ = FailingStore
    assert isinstance(store, FailingStore)
    store.fail = lambda _: None
    store.renewing = lambda: None
    return store


async def until(condition: Callable[[], object]) -> None:
    """Let other tasks and threads go on until something is so."""
    while not condition():  # noqa: ASYNC110 - what is waited for has no event of its own
        await asyncio.sleep(0)
