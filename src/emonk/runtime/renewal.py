"""Holds the leases of the turns that run."""

import asyncio
import logging
from collections.abc import Callable

from emonk.clock import Clock
from emonk.errors import EmonkError, StaleSession
from emonk.runtime.journal import Journal
from emonk.store.protocol import LEASE_SECONDS

RENEW_SECONDS = LEASE_SECONDS / 3

_log = logging.getLogger("emonk.runtime")


class LeaseRenewal:
    """Renews the leases of all running turns, every third of a lease; one task for all of them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._held: dict[Journal, Callable[[], object]] = {}
        self._task: asyncio.Task[None] | None = None

    def hold(self, journal: Journal, lost: Callable[[], object]) -> None:
        """Renew this lease until it is let go; `lost` is called when somebody else has it."""
        self._held[journal] = lost
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._renew_all())

    def let_go(self, journal: Journal) -> None:
        """The turn is over."""
        self._held.pop(journal, None)

    def close(self) -> None:
        """Renew nothing any more."""
        if self._task is not None:
            self._task.cancel()

    async def _renew_all(self) -> None:
        while True:
            await self._clock.sleep(RENEW_SECONDS)
            if not self._held:
                return
            await asyncio.gather(*(self._renew(journal) for journal in list(self._held)))

    async def _renew(self, journal: Journal) -> None:
        try:
            await journal.renew()
        except StaleSession:
            lost = self._held.pop(journal, None)
            if lost is not None:  # else the turn ended while its lease was being renewed
                lost()
        except EmonkError as error:
            # Two thirds of the lease are left, so there is another try before it ends.
            _log.warning("a lease was not renewed: %s", error)
