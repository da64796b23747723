"""Server-sent events (WHATWG HTML, 9.2): a turn as a stream of named JSON messages."""

import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any

from starlette.responses import StreamingResponse

from emonk.clock import Clock
from emonk.errors import DeadlineExceeded, EmonkError
from emonk.gateway.running import RunningTurn, ShuttingDownError
from emonk.gateway.wire import encode, turn_event_json
from emonk.resilience.deadline import within

HEARTBEAT_SECONDS = 15.0
HEARTBEAT = b": still here\n\n"

_log = logging.getLogger("emonk.gateway")


def turn_response(turn: RunningTurn, clock: Clock) -> StreamingResponse:
    """The turn as an event stream; proxies are told not to hold it back."""
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(stream(turn, clock), headers=headers, media_type="text/event-stream")


async def stream(turn: RunningTurn, clock: Clock) -> AsyncIterator[bytes]:
    """What the turn says, a heartbeat while it is silent, and `error` if it ends without a reply."""
    position = 0
    while True:
        try:
            said = await within(HEARTBEAT_SECONDS, turn.after(position), clock=clock, what="a turn's next event")
        except DeadlineExceeded:
            yield HEARTBEAT
            continue
        if not said:
            break
        yield b"".join(frame(*turn_event_json(event)) for event in said)
        position += len(said)
    failure = _failure(turn)
    if failure is not None:
        yield frame("error", failure)


def frame(name: str, data: Mapping[str, Any]) -> bytes:
    """One event of the stream."""
    return b"event: " + name.encode() + b"\ndata: " + encode(data) + b"\n\n"


def _failure(turn: RunningTurn) -> Mapping[str, str] | None:
    try:
        turn.check()
    except ShuttingDownError:
        return _error("shutting_down", "the server ends", "the turn resumes when it starts again")
    except EmonkError as error:
        return _error(error.code, error.message, error.hint)
    except Exception:  # noqa: BLE001 - the client is told, the log has it
        _log.exception("a turn failed unexpectedly")
        return _error("internal", "something unexpected went wrong", "the server's log has the details")
    return None


def _error(code: str, message: str, hint: str) -> Mapping[str, str]:
    return {"code": code, "message": message, "hint": hint}
