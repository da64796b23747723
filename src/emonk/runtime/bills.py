"""Rows that wait for a moment, so that those of calls which leave at once are written at once."""

import logging
from collections.abc import Callable

from emonk.records import UsageRow
from emonk.resilience.later import Later
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
        self._gathering = Later(GATHER_SECONDS)
        self.apart = apart

    def add(self, row_id: str, row: Callable[[], UsageRow]) -> None:
        """Have a row written soon, in place of one of its call that waits; it is made when it is written."""
        if not self._rows:
            self._gathering.add(self, self.flush)
        self._rows[row_id] = row

    def take(self, row_id: str) -> None:
        """The row of a call need not be written any more: another one takes its place elsewhere."""
        self._rows.pop(row_id, None)
        if not self._rows:
            self._gathering.drop(self)

    def flush(self) -> None:
        """Hand over the rows that wait."""
        self._gathering.drop(self)
        waiting, self._rows = self._rows, {}
        if not waiting:
            return
        try:
            self._store.bill([row() for row in waiting.values()]).add_done_callback(told)
        except Exception as error:  # noqa: BLE001 - logged; the calls go on
            _log.warning("%d usage rows could not be written: %s", len(waiting), error)
