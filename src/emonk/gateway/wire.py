"""What emonk's objects look like as JSON, for whoever reads them outside of this process."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from emonk.events import Event, Logged, ModelSaid, Opaque, UserSaid
from emonk.messages import ToolCall, UserMessage
from emonk.records import Reply, Session
from emonk.runtime.progress import (
    MessageAccepted,
    ModelRetry,
    ReplyDelta,
    ToolEnded,
    ToolNote,
    ToolStarted,
    TurnEvent,
    TurnReplied,
)

_encoder = msgspec.json.Encoder(decimal_format="number")


def encode(value: object) -> bytes:
    """JSON, with amounts of money as numbers."""
    return _encoder.encode(value)


def reply_json(reply: Reply) -> dict[str, Any]:
    """`{"text", "status", "session_id", "trace_id", "cost_usd", ...}`; the cost is null when a price is not known."""
    return msgspec.structs.asdict(reply)


def queued_json(agent: str, session_id: str, message_id: str) -> dict[str, Any]:
    """What is said of a message that is kept for later."""
    return {"status": "queued", "agent": agent, "session_id": session_id, "message_id": message_id}


def event_json(logged: Logged) -> dict[str, Any]:
    """`{"revision", "at", "kind", ...}` with the event's own fields; `at` is UTC microseconds.

    A user's and a model's message also carry their `text`, a model's its `tool_calls`.
    """
    place: dict[str, Any] = {"revision": logged.revision, "at": logged.at}
    return place | _fields(logged.event) | _convenience(logged.event)


def session_json(info: Session) -> dict[str, Any]:
    """A session in a listing; times are UTC microseconds."""
    return msgspec.structs.asdict(info)


def turn_event_json(event: TurnEvent) -> tuple[str, Mapping[str, Any]]:
    """The name of a server-sent event and its data."""
    match event:
        case MessageAccepted():
            return "accepted", msgspec.structs.asdict(event)
        case ReplyDelta(text=text):
            return "delta", {"text": text}
        case ToolStarted(call=call):
            return "tool_call", _call(call)
        case ToolNote(call_id=call_id, text=text):
            return "progress", {"id": call_id, "text": text}
        case ToolEnded(result=result, seconds=seconds):
            end = {"content": result.content, "error": result.error, "seconds": round(seconds, 3)}
            return "tool_result", {"id": result.call_id, "name": result.name, **end}
        case ModelRetry():
            return "model_retry", msgspec.structs.asdict(event)
        case TurnReplied(reply=reply):
            return "reply", reply_json(reply)


def _fields(event: Event) -> dict[str, Any]:
    if isinstance(event, Opaque):
        return {**event.data, "kind": event.kind}
    return msgspec.to_builtins(event, builtin_types=(Decimal,))


def _convenience(event: Event) -> dict[str, Any]:
    match event:
        case UserSaid(parts=parts):
            return {"text": UserMessage(parts).text}
        case ModelSaid(message=message):
            return {"text": message.text, "tool_calls": [_call(call) for call in message.tool_calls]}
        case _:
            return {}


def _call(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "name": call.name, "arguments": call.arguments}
