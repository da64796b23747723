"""The steps of an instance that a crash can fall between: what it asks of the store, of models and of tools.

Each is three: it was sent, it was done at the other end, and the instance heard of it. What an instance does between
two of them is seen by nobody else, so a crash at any other place is the same as one right after the last of them.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Literal, get_args

from emonk.events import ModelSaid, ToolReturned
from emonk.store.protocol import Append, Finish, Operation, Release
from emonk.store.record_protocol import Put

Phase = Literal["sent", "done", "heard"]
PHASES: tuple[Phase, ...] = get_args(Phase)

IN_STOP = " in stop"
"""Follows the name of what an instance does while it stops in order."""

ASKED = (
    "accept",
    "claim",
    "write answer",
    "write result",
    "write intent",
    "write outcome",
    "write note",
    "write end",
    "release",
    "bill",
    "renew",
    "look for due",
    "look for reply",
    "ask model",
    "run tool",
    "look outside",
    "look up effect",
)
"""What an instance does, as far as somebody else sees it."""

_READS = {
    "due": "look for due",
    "reply": "look for reply",
    "record": "look up effect",
    "records": "look up effect",
}


def kinds() -> Iterator[str]:
    """Every kind of step, such as `write answer done`."""
    yield from (f"{asked} {phase}" for asked in ASKED for phase in PHASES)
    yield from (f"release{IN_STOP} {phase}" for phase in PHASES)
    yield "acknowledge heard"


def asked_of_store(method: str, arguments: Sequence[Any]) -> str:
    """What a call of the store is."""
    return _written(arguments[0]) if method == "commit" else _READS.get(method, method)


def _written(operations: Sequence[Operation]) -> str:
    kinds = {type(one) for one in operations}
    events = {type(event) for one in operations if isinstance(one, Append) for event in one.events}
    if Finish in kinds:
        return "write end"
    if Put in kinds:
        return "write outcome" if ToolReturned in events else "write intent"
    if ModelSaid in events:
        return "write answer"
    if ToolReturned in events:
        return "write result"
    return "write note" if events or Release not in kinds else "release"


def table(crashes: Counter[str]) -> Iterator[str]:
    """The crashes by the step after which they fell, in lines of columns."""
    rows = sorted({kind.rpartition(" ")[0] for kind in crashes} | {kind.rpartition(" ")[0] for kind in kinds()})
    wide = max(map(len, rows))
    yield f"{'killed when it was'.ljust(wide)}  {'sent':>6} {'done':>6} {'heard':>6}"
    for row in rows:
        counted = (f"{crashes[f'{row} {phase}']:>6}" for phase in PHASES)
        yield f"{row.ljust(wide)}  {' '.join(counted)}"
