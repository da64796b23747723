"""Where a conversation can be cut: what comes before is summarised, what comes after stays."""

from collections.abc import Iterable, Sequence

import msgspec
from msgspec.structs import replace

from emonk.events import (
    Interrupted,
    Logged,
    ModelSaid,
    Summarised,
    ToolReturned,
    TurnCancelled,
    TurnFinished,
    UserSaid,
)
from emonk.store.protocol import Claimed, Store

OPEN = 1 << 62
"""The revision of a result that is not there yet."""


class Unit(msgspec.Struct):
    """Messages that belong together: one of a user, or an answer with the results of its calls.

    Attributes:
        first: revision of its first event.
        last: revision of its last one; `OPEN` while a call has no result.
        messages: how many a model is shown.
    """

    first: int
    last: int
    messages: int
    said: UserSaid | None = None


def latest(events: Sequence[Logged]) -> Summarised | None:
    """The summary that counts."""
    return next((one.event for one in reversed(events) if isinstance(one.event, Summarised)), None)


async def whole_turn(store: Store, claimed: Claimed) -> Claimed:
    """A turn that goes on, with all its events, also those that a summary written in it covers: they are counted anew.

    Raises:
        InfraError, ConfigError: the store cannot be read.
    """
    summary = latest(claimed.events)
    if summary is None or not summary.began:
        return claimed
    known = {logged.revision for logged in claimed.events}
    read = await store.read(claimed.item.session, after=summary.began - 1, limit=claimed.revision - summary.began + 1)
    earlier = [logged for logged in read if logged.revision not in known]
    return replace(claimed, events=tuple(sorted((*earlier, *claimed.events), key=lambda one: one.revision)))


def units_of(events: Iterable[Logged], covered: int = 0) -> list[Unit]:
    """The conversation after the revision `covered`, in order."""
    units: list[Unit] = []
    waiting: dict[str, Unit] = {}
    missing: dict[int, set[str]] = {}
    for logged in events:
        if logged.revision <= covered:
            continue
        match logged.event:
            case UserSaid() as said:
                units.append(Unit(logged.revision, logged.revision, 1, said))
            case ModelSaid(message=message) if message.parts:
                calls = {call.id for call in message.tool_calls}
                unit = Unit(logged.revision, OPEN if calls else logged.revision, 2 if calls else 1)
                units.append(unit)
                waiting.update(dict.fromkeys(calls, unit))
                missing[logged.revision] = calls
            case ToolReturned(result=result) if result.call_id in waiting:
                unit = waiting.pop(result.call_id)
                missing[unit.first].discard(result.call_id)
                if not missing[unit.first]:
                    unit.last = logged.revision
            case Interrupted() | TurnCancelled():
                units.append(Unit(logged.revision, logged.revision, 1))
            case TurnFinished(text=text) if text:
                units.append(Unit(logged.revision, logged.revision, 1))
            case _:
                continue
    return units


def cut(units: Sequence[Unit], keep: int) -> int:
    """How many of the units can be summarised so that at least `keep` messages stay; 0 when none can.

    Never one that is open, nor a part of a unit, nor one whose result came later than the next unit began.
    """
    kept, place = 0, len(units)
    while place > 0 and kept < keep:
        place -= 1
        kept += units[place].messages
    end = 0
    for number, unit in enumerate(units[:place], start=1):
        if unit.last >= OPEN:
            break
        reach = max(one.last for one in units[end:number])
        if reach < (units[number].first if number < len(units) else OPEN):
            end = number
    return end
