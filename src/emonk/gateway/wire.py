"""What emonk's objects look like as JSON, for whoever reads them outside of this process."""

from collections.abc import Mapping
from typing import Any

import msgspec

from emonk.agent.lines import call_json, encode, event_json, session_json
from emonk.records import Reply
from emonk.runtime.progress import (
    BudgetLow,
    ContextCompressed,
    MessageAccepted,
    ModelRetry,
    ReplyDelta,
    ToolEnded,
    ToolNote,
    ToolStarted,
    TurnEvent,
    TurnReplied,
)

__all__ = ["encode", "event_json", "queued_json", "reply_json", "session_json", "turn_event_json"]


def reply_json(reply: Reply) -> dict[str, Any]:
    """`{"text", "status", "session_id", "trace_id", "cost_usd", ...}`; the cost is null when a price is not known."""
    return msgspec.structs.asdict(reply)


def queued_json(agent: str, session_id: str, message_id: str) -> dict[str, Any]:
    """What is said of a message that is kept for later."""
    return {"status": "queued", "agent": agent, "session_id": session_id, "message_id": message_id}


def turn_event_json(event: TurnEvent) -> tuple[str, Mapping[str, Any]]:
    """The name of a server-sent event and its data."""
    match event:
        case MessageAccepted():
            return "accepted", msgspec.structs.asdict(event)
        case ReplyDelta(text=text):
            return "delta", {"text": text}
        case ToolStarted(call=call):
            return "tool_call", call_json(call)
        case ToolNote(call_id=call_id, text=text):
            return "progress", {"id": call_id, "text": text}
        case ToolEnded(result=result, seconds=seconds):
            end = {"content": result.content, "error": result.error, "seconds": round(seconds, 3)}
            return "tool_result", {"id": result.call_id, "name": result.name, **end}
        case ModelRetry():
            return "model_retry", msgspec.structs.asdict(event)
        case BudgetLow():
            return "budget_low", msgspec.structs.asdict(event)
        case ContextCompressed():
            return "context_compressed", msgspec.structs.asdict(event)
        case TurnReplied(reply=reply):
            return "reply", reply_json(reply)
