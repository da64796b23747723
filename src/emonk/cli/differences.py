"""A rerun for a reader: each turn as it was recorded next to how it went now."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, TextIO

from emonk.cli.amounts import counted, span, tokens, usd
from emonk.cli.columns import side_by_side
from emonk.cli.progress import call_line
from emonk.cli.terminal import bold, dim, one_line, visible
from emonk.clock import MICROSECONDS
from emonk.messages import UserMessage
from emonk.records import Usage
from emonk.runtime.comparison import CallDifference, TurnComparison
from emonk.runtime.recorded import RecordedTurn

MESSAGE_CHARACTERS = 500
_MARKS = {"both": "  ", "recorded": "- ", "new": "+ "}


def turn_lines(number: int, turn: TurnComparison, stream: TextIO, width: int) -> Iterator[str]:
    """One turn: its message, both answers, the calls, and what each run cost."""
    old, new = turn.recorded, turn.new
    yield bold(f"turn {number}, revision {old.revision}, {one_line(old.user_id)}", stream)
    yield visible(UserMessage(old.parts).text[:MESSAGE_CHARACTERS])
    yield ""
    if turn.same_answer:
        yield dim(f"both answered ({_status(new)})", stream)
        yield visible(new.text)
    else:
        heads = f"recorded: {_models(old)} ({_status(old)})", f"new: {_models(new)} ({_status(new)})"
        yield from (bold(line, stream) for line in side_by_side(*heads, width))
        yield from side_by_side(old.text, new.text, width)
    if turn.calls:
        yield ""
        yield from (_call(one, stream) for one in turn.calls)
    yield ""
    yield dim(f"recorded: {_spent(old)}", stream)
    yield dim(f"new:      {_spent(new)}", stream)
    yield ""


def total_lines(turns: Sequence[TurnComparison], stream: TextIO) -> Iterator[str]:
    """What all turns came to."""
    answers = sum(not turn.same_answer for turn in turns)
    calls = sum(not turn.same_calls for turn in turns)
    differ = f"{counted(answers, 'answer')} and the calls of {counted(calls, 'turn')} differ"
    yield bold(f"{counted(len(turns), 'turn')}: {differ}", stream)
    for name, runs in (("recorded: ", [turn.recorded for turn in turns]), ("new:      ", [turn.new for turn in turns])):
        usage, cost = _total(runs)
        yield dim(f"{name}{tokens(usage)}, {usd(cost)}", stream)


def differs(turn: TurnComparison) -> bool:
    """Whether anything but time and money is another."""
    return not (turn.same_answer and turn.same_calls)


def turn_json(turn: TurnComparison) -> dict[str, Any]:
    """`{"revision", "user_id", "message", "same_answer", "same_calls", "recorded", "new", "calls"}`."""
    return {
        "revision": turn.recorded.revision,
        "user_id": turn.recorded.user_id,
        "message": UserMessage(turn.recorded.parts).text,
        "same_answer": turn.same_answer,
        "same_calls": turn.same_calls,
        "recorded": _run_json(turn.recorded),
        "new": _run_json(turn.new),
        "calls": [_call_json(one) for one in turn.calls],
    }


def total_json(turns: Sequence[TurnComparison]) -> dict[str, Any]:
    """How many turns differ, and what both runs came to."""
    totals = {
        name: dict(zip(("usage", "cost_usd"), _total(runs), strict=True))
        for name, runs in (
            ("recorded", [turn.recorded for turn in turns]),
            ("new", [turn.new for turn in turns]),
        )
    }
    return {"turns": len(turns), "different": sum(differs(turn) for turn in turns), **totals}


def _run_json(run: RecordedTurn) -> dict[str, Any]:
    return {
        "text": run.text,
        "status": run.status,
        "reason": run.reason,
        "models": run.models,
        "steps": run.steps,
        "usage": run.usage,
        "cost_usd": run.cost_usd,
        "seconds": None if run.ended_at is None else (run.ended_at - run.at) / MICROSECONDS,
    }


def _call_json(one: CallDifference) -> dict[str, Any]:
    result = one.call.result
    return {
        "made_by": one.made_by,
        "name": one.call.call.name,
        "arguments": one.call.call.arguments,
        "content": None if result is None else result.content,
        "error": None if result is None else result.error,
    }


def _call(one: CallDifference, stream: TextIO) -> str:
    result = one.call.result
    failed = f"  \u2717 {one_line(result.error)}" if result is not None and result.error else ""
    line = f"{_MARKS[one.made_by]}{call_line(one.call.call)}{failed}"
    return dim(line, stream) if one.made_by == "both" else line


def _spent(run: RecordedTurn) -> str:
    took = "" if run.ended_at is None else f", {span(run.ended_at - run.at)}"
    return f"{counted(run.steps, 'step')}, {tokens(run.usage)}, {usd(run.cost_usd)}{took}"


def _status(run: RecordedTurn) -> str:
    return one_line(f"{run.status}: {run.reason}" if run.reason else run.status)


def _models(run: RecordedTurn) -> str:
    return one_line(", ".join(run.models)) or "no model"


def _total(runs: Sequence[RecordedTurn]) -> tuple[Usage, Decimal | None]:
    usage = Usage()
    for run in runs:
        usage = usage + run.usage
    costs = [run.cost_usd for run in runs if run.cost_usd is not None]
    return usage, sum(costs, Decimal(0)) if len(costs) == len(runs) else None
