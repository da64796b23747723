"""The turns of a log as they were recorded: what was asked, what was called, what came of it, and what it cost."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Literal

import msgspec

from emonk.events import (
    Event,
    Interrupted,
    Logged,
    ModelSaid,
    ToolReturned,
    TurnCancelled,
    TurnFinished,
    UserSaid,
)
from emonk.messages import ToolCall, ToolResult, UserPart
from emonk.records import ReplyStatus, Usage
from emonk.runtime.ending import CANCELLED
from emonk.runtime.tally import Tally


class RecordedCall(msgspec.Struct, frozen=True):
    """A tool call, and its result if it has one."""

    call: ToolCall
    result: ToolResult | None = None


class RecordedTurn(msgspec.Struct, frozen=True, kw_only=True):
    """One turn. Times are UTC microseconds.

    Attributes:
        revision: of the message that opened it.
        parts: of that message.
        text: the reply's text, or what there is of it; empty for a turn that has not ended.
        status: of the reply; `unfinished` for a turn that has not ended.
        models: who answered, in the order of their first answer.
        steps: model calls.
        cost_usd: None once one of them has an unknown price.
    """

    revision: int
    at: int
    ended_at: int | None
    message_id: str
    user_id: str
    parts: tuple[UserPart, ...]
    text: str
    status: ReplyStatus | Literal["unfinished"]
    reason: str
    calls: tuple[RecordedCall, ...]
    models: tuple[str, ...]
    steps: int
    usage: Usage
    cost_usd: Decimal | None


def recorded_turns(events: Iterable[Logged]) -> list[RecordedTurn]:
    """The turns in their order. What comes before the first message, as in a part of a log, belongs to none."""
    found: list[tuple[Logged, UserSaid, list[Logged]]] = []
    for logged in events:
        if isinstance(logged.event, UserSaid):
            found.append((logged, logged.event, []))
        elif found:
            found[-1][2].append(logged)
    return [_turn(opened, said, rest) for opened, said, rest in found]


def _turn(opened: Logged, said: UserSaid, rest: list[Logged]) -> RecordedTurn:
    events = [logged.event for logged in rest]
    tally = Tally(events)
    last = next((logged for logged in reversed(rest) if isinstance(logged.event, TurnFinished | TurnCancelled)), None)
    ended = last.event if last is not None and isinstance(last.event, TurnFinished | TurnCancelled) else None
    return RecordedTurn(
        revision=opened.revision,
        at=opened.at,
        ended_at=last.at if last is not None else None,
        message_id=said.message_id,
        user_id=said.user_id,
        parts=said.parts,
        text=_text(ended, events),
        status=_status(ended),
        reason=ended.reason if isinstance(ended, TurnFinished) else "",
        calls=_calls(events),
        models=tuple(dict.fromkeys(event.model for event in events if isinstance(event, ModelSaid))),
        steps=ended.steps if ended is not None else tally.steps,
        usage=tally.usage,
        cost_usd=ended.cost_usd if ended is not None else tally.cost,
    )


def _status(ended: TurnFinished | TurnCancelled | None) -> ReplyStatus | Literal["unfinished"]:
    match ended:
        case TurnFinished(status=status):
            return status
        case TurnCancelled():
            return "cancelled"
        case _:
            return "unfinished"


def _text(ended: TurnFinished | TurnCancelled | None, events: list[Event]) -> str:
    """A reply that only repeats the model's last answer is not written twice: see `TurnFinished`."""
    match ended:
        case None:
            return ""
        case TurnCancelled():
            return CANCELLED.text
        case TurnFinished(text=text) if text:
            return text
        case _:
            said = (event for event in reversed(events) if isinstance(event, ModelSaid | Interrupted))
            match next(said, None):
                case ModelSaid(message=message):
                    return message.text
                case Interrupted(text=text):
                    return text
                case _:
                    return ""


def _calls(events: list[Event]) -> tuple[RecordedCall, ...]:
    """Models repeat ids across answers, so a result belongs to the latest call of its id that has none."""
    calls: list[RecordedCall] = []
    for event in events:
        match event:
            case ModelSaid(message=message):
                calls += [RecordedCall(call) for call in message.tool_calls]
            case ToolReturned(result=result):
                place = next((n for n in reversed(range(len(calls))) if _is_open(calls[n], result)), None)
                if place is not None:
                    calls[place] = RecordedCall(calls[place].call, result)
            case _:
                continue
    return tuple(calls)


def _is_open(call: RecordedCall, result: ToolResult) -> bool:
    return call.result is None and call.call.id == result.call_id
