"""What tools may do outside: the invariants of actions."""

from collections.abc import Iterator

from emonk.records import RiskLevel
from emonk.testing.simulator.history import Granted, History, Record, ToolActed, ToolBegan, ToolLeft


def no_call_acts_twice(history: History) -> Iterator[str]:
    """A tool that is not idempotent runs at most once for a call, whoever resumes the turn."""
    begun: dict[tuple[str, str], ToolBegan] = {}
    for record in history.of(ToolBegan):
        key = (record.where.session, record.call_id)
        if not record.idempotent and key in begun:
            acted = [one for one in history.of(ToolActed) if (one.where.session, one.call_id) == key]
            yield f"{record.tool} ran twice for call {record.call_id}, and acted {len(acted)} times"
            yield from (one.line() for one in _in_order([begun[key], record, *acted]))
            return
        begun[key] = record


def no_unknown_outcome_is_retried(history: History) -> Iterator[str]:
    """A call that may have acted is not run again by those who were told so."""
    unknown: dict[tuple[int, str, str], ToolLeft] = {}
    for record in history.records:
        match record:
            case Granted():
                unknown = {key: one for key, one in unknown.items() if key[1] != record.where.session}
            case ToolLeft() if record.unknown:
                unknown[record.where.instance, record.where.session, record.call_id] = record
            case ToolBegan():
                key = (record.where.instance, record.where.session, record.call_id)
                if key in unknown:
                    yield unknown[key].line()
                    yield record.line()
                    return
            case _:
                continue


def nothing_above_low_risk_runs(history: History) -> Iterator[str]:
    """What needs an approval is not run without one."""
    for record in history.of(ToolBegan):
        if record.risk != RiskLevel.LOW:
            yield f"{record.tool} has {record.risk} risk: {record.line()}"
            return


def _in_order(records: list[Record]) -> list[Record]:
    return sorted(records, key=lambda record: record.at)
