"""Whether the bill holds the calls that providers saw: the invariant of usage rows."""

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from emonk.costs.calls import OFFLINE
from emonk.records import UsageRow
from emonk.testing.simulator.history import Came, Crashed, History, Sent

WRITTEN_SOON = 0.03
"""Seconds after which a row is written, with what it takes to reach a store that is busy with an earlier write."""


class _Calls(NamedTuple):
    """Whose calls they are, and of which model."""

    session: str
    message_id: str
    model: str


def every_call_has_one_row(history: History) -> Iterator[str]:
    """As many rows as calls, told as they ended; only a crash may keep a row that was not yet written, or not ended."""
    if history.ended is None or not history.ended.settled:
        return
    rows = Counter(map(_calls_of, history.ended.rows))
    seen = Counter(calls for calls in map(_calls_in, history.of(Sent)) if calls.model != OFFLINE)
    sent_late, came_late = _cut_short(history)
    for calls in sorted(seen | rows):
        if not seen[calls] - sent_late[calls] <= rows[calls] <= seen[calls]:
            yield f"{_told(calls)}: {seen[calls]} calls and {rows[calls]} rows, of {sent_late[calls]} it may be lost"
    for state, ended in _ends(history).items():
        told = Counter(_calls_of(row) for row in history.ended.rows if row.state == state)
        for calls in sorted(ended | told):
            if not ended[calls] - came_late[calls] <= told[calls] <= ended[calls]:
                yield f"{_told(calls)}: {ended[calls]} calls were {state}, and {told[calls]} rows say so"


def _ends(history: History) -> dict[str, Counter[_Calls]]:
    came = [one for one in history.of(Came) if one.model != OFFLINE]
    answered = Counter(_calls_in(one) for one in came if not one.error)
    failed = Counter(_calls_in(one) for one in came if one.error)
    return {"completed": answered, "failed": failed}


def _cut_short(history: History) -> tuple[Counter[_Calls], Counter[_Calls]]:
    """The calls that had only just been sent when their instance was killed, and those that had only just ended."""
    crashes = [(crashed.where.instance, crashed.at) for crashed in history.of(Crashed)]

    def late(record: Sent | Came) -> bool:
        return any(
            record.where.instance == instance and 0 <= at - record.at <= WRITTEN_SOON for instance, at in crashes
        )

    sent = Counter(_calls_in(one) for one in history.of(Sent) if late(one))
    came = Counter(_calls_in(one) for one in history.of(Came) if late(one))
    return sent, came


def _calls_in(record: Sent | Came) -> _Calls:
    return _Calls(record.where.session, record.message_id, record.model)


def _calls_of(row: UsageRow) -> _Calls:
    return _Calls(row.session_id, row.message_id, f"{row.provider}:{row.model}" if row.model else row.provider)


def _told(calls: _Calls) -> str:
    return f"{calls.model} for {calls.message_id} in {calls.session}"
