"""The last of what was said in a session, for whoever takes it up again."""

from collections.abc import Iterator, Sequence
from typing import TextIO

from emonk.cli.amounts import when
from emonk.cli.markdown import rendered
from emonk.cli.progress import call_line, result_line
from emonk.cli.terminal import bold, dim, visible
from emonk.events import (
    Interrupted,
    Logged,
    ModelSaid,
    Opaque,
    StepFailed,
    Summarised,
    ToolReturned,
    TurnCancelled,
    TurnFinished,
    UserSaid,
)
from emonk.messages import UserMessage


def transcript(events: Sequence[Logged], stream: TextIO, *, last: int | None = None) -> Iterator[str]:
    """Lines for a terminal: what was said, which tools ran, how turns ended. `Conversation` shows more.

    Args:
        events: the log, in order.
        stream: where the lines will go, which decides about colours.
        last: only so many of the last messages of user and model, with what belongs to them.
    """
    for logged in _tail(events, last):
        yield from _lines(logged, stream)


def _tail(events: Sequence[Logged], last: int | None) -> Sequence[Logged]:
    messages = [n for n, logged in enumerate(events) if isinstance(logged.event, UserSaid | ModelSaid)]
    if last is None or len(messages) <= last:
        return events
    return events[messages[-last] :]


def _lines(logged: Logged, stream: TextIO) -> Iterator[str]:
    match logged.event:
        case UserSaid(user_id=user_id, parts=parts):
            yield ""
            yield f"{bold(visible(user_id), stream)} {dim(when(logged.at), stream)}"
            yield visible(UserMessage(parts).text)
        case ModelSaid(message=message, model=model):
            if message.text:
                yield f"\n{bold(visible(model), stream)}\n{rendered(message.text, stream)}"
            yield from (dim(call_line(call), stream) for call in message.tool_calls)
        case ToolReturned(result=result, seconds=seconds):
            yield dim(result_line(result, seconds), stream)
        case TurnFinished(status=status, reason=reason, text=text):
            if text:
                yield f"\n{bold('emonk', stream)}\n{rendered(text, stream)}"
            if status != "done":
                yield dim(f"[{status}: {reason}]" if reason else f"[{status}]", stream)
        case event:
            yield from (dim(visible(line), stream) for line in _aside(event))


def _aside(event: object) -> Iterator[str]:
    match event:
        case TurnCancelled():
            yield "[cancelled]"
        case Interrupted(text=text, message=message):
            yield text
            yield f"[broken off: {message}]"
        case StepFailed(message=message):
            yield f"[a model call failed: {message}]"
        case Summarised(cutoff=cutoff):
            yield f"[everything up to revision {cutoff} is summarised for the model]"
        case Opaque(kind=kind):
            yield f"[an event of kind {kind}, which this version does not know]"
        case _:
            pass
