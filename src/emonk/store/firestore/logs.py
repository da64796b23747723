"""The ends of logs that this process has read: an event never changes, so none is read twice as long as it is kept."""

from emonk.store.change import Row

LIMIT = 32_000_000
"""Bytes of events, for one database."""


class Logs:
    """The events from which the last turns started, by the place of their log; those used last are kept."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._kept: dict[str, list[Row]] = {}
        self._size = 0

    def after(self, log: str, revision: int) -> list[Row]:
        """What is known of what follows the revision, without a gap."""
        rows = self._kept.get(log)
        if not rows or not rows[0][0] <= revision + 1 <= rows[-1][0]:
            return []
        return rows[revision + 1 - rows[0][0] :]

    def keep(self, log: str, rows: list[Row]) -> None:
        """Keep events that lie in the log, in order and without a gap, in place of what was kept of it."""
        self._drop(log)
        self._kept[log] = list(rows)
        self._size += _size(rows)
        while self._size > self._limit:
            self._drop(next(iter(self._kept)))

    def _drop(self, log: str) -> None:
        self._size -= _size(self._kept.pop(log, []))


def _size(rows: list[Row]) -> int:
    return sum(len(data) for _, _, data in rows)
