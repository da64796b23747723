"""Rows that wait for a moment, so that those of calls which leave at once are written at once."""

import asyncio
import logging
from collections.abc import Callable

from emonk.records import UsageRow
from emonk.runtime.journal import GATHER_SECONDS, told
from emonk.store.usage_protocol import UsageStore

_log = logging.getLogger("emonk.runtime")


class Bills:
    """Takes the rows of an agent's calls, and has them written within `GATHER_SECONDS`.

    Attributes:
        apart: they lie in another store than the sessions, so no commit of a session can hold them.
    """

    def __init__(self, store: UsageStore, *, apart: bool = False) -> None:
        self._store = store
        self._rows: dict[str, Callable[[], UsageRow]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self.apart = apart

    def add(self, row_id: str, row: Callable[[], UsageRow]) -> None:
        """Have a row written soon, in place of one of its call that waits; it is made when it is written."""
        self._rows[row_id] = row
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(GATHER_SECONDS, self.flush)

    def take(self, row_id: str) -> None:
        """The row of a call need not be written any more: another one takes its place elsewhere.

        The timer stays, for the rows of the next calls: where calls are short, that saves one for nearly each of them.
        """
        self._rows.pop(row_id, None)

    def flush(self) -> None:
        """Hand over the rows that wait."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        rows, self._rows = tuple([row() for row in self._rows.values()]), {}
        if not rows:
            return
        try:
            self._store.bill(rows).add_done_callback(told)
        except Exception as error:  # noqa: BLE001 - logged; the calls go on
            _log.warning("%d usage rows could not be written: %s", len(rows), error)
