"""What tools may do outside: the invariants of actions."""

from collections.abc import Iterator

from emonk.errors import OutcomeUnknown
from emonk.events import ToolReturned
from emonk.records import RiskLevel
from emonk.testing.simulator.history import Granted, History, Record, ToolActed, ToolBegan, ToolLeft

Action = tuple[str, str, str, str]
"""A session, the message that opened the turn, a tool and its canonical arguments."""


def no_call_acts_twice(history: History) -> Iterator[str]:
    """A tool that is not idempotent runs at most once for a call, whoever resumes the turn.

    An effect may be sent again once the remote has said that it did not happen: see `no_effect_happens_twice`.
    """
    begun: dict[tuple[str, str], ToolBegan] = {}
    for record in history.of(ToolBegan):
        key = (record.where.session, record.call_id)
        if not record.idempotent and not record.key and key in begun:
            acted = [one for one in history.of(ToolActed) if (one.where.session, one.call_id) == key]
            yield f"{record.tool} ran twice for call {record.call_id}, and acted {len(acted)} times"
            yield from (one.line() for one in _in_order([begun[key], record, *acted]))
            return
        begun[key] = record


def no_unknown_outcome_is_retried(history: History) -> Iterator[str]:
    """What may have acted, a tool that is not idempotent with these arguments, does not run again in its turn.

    Whoever asks, under whichever id, in whichever instance. An outcome is unknown where the tool acted and then broke
    off, and where the log says so of what has run before another instance takes the turn over.
    """
    runs: dict[tuple[str, str], ToolBegan] = {}
    acted: set[tuple[str, str]] = set()
    unknown: dict[Action, ToolBegan] = {}
    lost = _logged_as_unknown(history)
    for record in history.records:
        session = record.where.session
        match record:
            case Granted():
                taken_over = [key for key in runs.keys() & lost if runs[key].message_id == record.message_id]
                unknown |= {_action(runs[key]): runs[key] for key in taken_over if key[0] == session}
            case ToolBegan(idempotent=False, key=""):
                if _action(record) in unknown:
                    yield f"{record.tool} may have acted with {record.arguments}"
                    yield unknown[_action(record)].line()
                    yield record.line()
                    return
                runs[session, record.call_id] = record
            case ToolActed(idempotent=False, key=""):
                acted.add((session, record.call_id))
            case ToolLeft(error=error) if error and (session, record.call_id) in acted & runs.keys():
                unknown[_action(runs[session, record.call_id])] = runs[session, record.call_id]
            case _:
                continue


def _action(began: ToolBegan) -> Action:
    return began.where.session, began.message_id, began.tool, began.arguments


def _logged_as_unknown(history: History) -> set[tuple[str, str]]:
    """The calls, by session and id, of which the log knows no outcome."""
    return {
        (key.session_id, one.event.result.call_id)
        for key, log in (history.ended.logs if history.ended else {}).items()
        for one in log
        if isinstance(one.event, ToolReturned) and one.event.result.error == OutcomeUnknown.default_code
    }


def nothing_above_low_risk_runs(history: History) -> Iterator[str]:
    """What needs an approval is not run without one."""
    for record in history.of(ToolBegan):
        if record.risk != RiskLevel.LOW:
            yield f"{record.tool} has {record.risk} risk: {record.line()}"
            return


def _in_order(records: list[Record]) -> list[Record]:
    return sorted(records, key=lambda record: record.at)
