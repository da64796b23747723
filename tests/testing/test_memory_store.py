"""The store in memory does what every store must do, answers as late as it is told to, and keeps nothing half."""

import asyncio

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import initialize

from emonk.clock import Clock, timestamp
from emonk.errors import InvalidConfig, Unavailable
from emonk.store.owners import enlist, retire
from emonk.store.protocol import Append, Store
from emonk.testing.memory_store import MemoryDatabase
from emonk.testing.store_conformance import CHECKS, Check, name_of, run
from emonk.testing.store_conformance.rig import SESSION, accept_and_claim, message, note
from emonk.testing.virtual_loop import SimClock
from emonk.testing.virtual_loop import run as run_virtually
from tests.store.machine import StoreMachine


@pytest.mark.parametrize("check", CHECKS, ids=name_of)
def test_memory_conforms(check: Check) -> None:
    database: list[MemoryDatabase] = []

    async def connect(clock: Clock) -> Store:
        database.append(database[0] if database else MemoryDatabase(clock))
        return database[0].open()

    asyncio.run(run(check, connect))


class MemoryMachine(StoreMachine):
    """The reference is the one that SQLite is held against."""

    def empty(self) -> str:
        return "memory"

    @initialize()
    def open(self) -> None:
        self.database = getattr(self, "database", None) or MemoryDatabase(self.clock)
        self.store = self.database.open()
        self.reference.now = timestamp(self.clock)


MemoryMachine.TestCase.settings = settings(
    max_examples=40, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestMemoryAgainstReference = MemoryMachine.TestCase


def test_a_call_is_answered_after_the_latency_and_has_acted_before() -> None:
    async def main(clock: SimClock) -> None:
        database = MemoryDatabase(clock, latency=lambda: 2.0)
        store, owner = database.open(), enlist()
        claimed = await accept_and_claim(store, message("hello"), owner)
        assert clock.monotonic() == 1002.0
        written = store.commit((Append((note("a"),)),), fence=claimed.lease, expected_revision=1)
        assert (len(database.sessions[SESSION].log), written.done()) == (2, False)
        assert await written == 2
        retire(owner)

    run_virtually(main)


def test_a_caller_that_goes_away_gives_its_lease_back() -> None:
    async def main(clock: SimClock) -> None:
        store, owner = MemoryDatabase(clock, latency=lambda: 2.0).open(), enlist()
        accepting = asyncio.create_task(store.accept(message("hello"), owner=owner))
        await clock.sleep(1)
        accepting.cancel()
        await asyncio.wait({accepting})
        assert await store.due("clerk") == [SESSION]
        retire(owner)

    run_virtually(main)


def test_what_no_disk_could_keep_is_refused_as_a_whole() -> None:
    async def main(clock: SimClock) -> None:
        store, owner = MemoryDatabase(clock).open(), enlist()
        claimed = await accept_and_claim(store, message("hello"), owner)
        with pytest.raises(InvalidConfig, match="half a character"):
            store.commit((Append((note("a"), note("\udce9"))),), fence=claimed.lease, expected_revision=1)
        assert len(await store.read(SESSION)) == 1
        retire(owner)

    run_virtually(main)


def test_a_closed_store_refuses() -> None:
    async def main(clock: SimClock) -> None:
        store = MemoryDatabase(clock).open()
        await store.aclose()
        with pytest.raises(Unavailable, match="closed"):
            await store.due("clerk")

    run_virtually(main)
