"""From the log to what the model is shown.

Whatever happened to a session, the messages are valid for every provider: each tool call is followed
by its result, and a turn that broke off says so in the model's own voice.
"""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from emonk.events import (
    Event,
    Interrupted,
    Logged,
    ModelSaid,
    Opaque,
    Routed,
    StepFailed,
    Summarised,
    ToolReturned,
    TurnCancelled,
    TurnFinished,
    UserSaid,
)
from emonk.messages import (
    AssistantMessage,
    Message,
    ToolCall,
    ToolMessage,
    ToolResult,
    UserMessage,
    assistant,
    user,
)
from emonk.runtime.compression.shortening import shortened

NO_RESULT = "No result was recorded for this call."


def messages_of(events: Sequence[Logged], shown: int | None = None) -> list[Message]:
    """The conversation that the events tell, ready to be sent to a model.

    Args:
        events: the log, or what of it follows the latest summary's cutoff.
        shown: characters of a result beyond which it is shortened; None shows all of it.
    """
    if len(events) == 1 and isinstance(first := events[0].event, UserSaid):  # as every session begins
        return [user(first.parts)]
    summaries = [(logged.revision, logged.event) for logged in events if isinstance(logged.event, Summarised)]
    messages: list[Message] = []
    latest = _Latest(0, 0, 0)
    if summaries:
        latest = _add_summary(messages, summaries)
    cutoff = latest.cutoff
    calls: dict[str, ToolCall] = {}
    results: dict[str, ToolResult] = {}

    def close() -> None:
        if calls:
            messages.append(results_message(calls.values(), results))
            calls.clear()
            results.clear()

    for logged in events:
        event = logged.event
        if logged.revision <= cutoff or isinstance(event, Summarised | Routed | Opaque):
            continue
        if isinstance(event, ToolReturned):
            limit = latest.shown if latest.shown and logged.revision < latest.revision else shown
            results[event.result.call_id] = (
                event.result if limit is None else shortened(event.result, logged.revision, limit)
            )
            continue
        close()
        message = _message_of(event)
        if message is not None:
            messages.append(message)
        if isinstance(message, AssistantMessage):
            calls.update((call.id, call) for call in message.tool_calls)
    close()
    return messages


def results_message(calls: Iterable[ToolCall], results: dict[str, ToolResult]) -> ToolMessage:
    """The results of one step in the order of its calls; a call without one is told so."""
    return ToolMessage(
        tuple(results.get(call.id) or ToolResult(call.id, call.name, NO_RESULT, "no_result") for call in calls)
    )


def open_calls(events: Sequence[Logged]) -> tuple[ToolCall, ...]:
    """The calls of the last model message that have no result yet."""
    done: set[str] = set()
    for logged in reversed(events):
        match logged.event:
            case ToolReturned(result=result):
                done.add(result.call_id)
            case ModelSaid(message=message):
                return tuple(call for call in message.tool_calls if call.id not in done)
            case Routed() | Opaque():
                continue
            case _:
                return ()
    return ()


def unknown_calls(events: Iterable[Event]) -> Iterator[ToolCall]:
    """The calls among the events of which nobody knows whether they acted."""
    calls: dict[str, ToolCall] = {}
    for event in events:
        match event:
            case ModelSaid(message=message):
                calls.update((call.id, call) for call in message.tool_calls)
            case ToolReturned(result=ToolResult(error="outcome_unknown", call_id=call_id)) if call_id in calls:
                yield calls[call_id]
            case _:
                continue


def this_turn(events: Sequence[Logged], message_id: str) -> Iterator[Event]:
    """The events since the user message that opened the turn."""
    started = False
    for logged in events:
        if isinstance(logged.event, UserSaid) and logged.event.message_id == message_id:
            started = True
        if started:
            yield logged.event


def unusable_note(detail: str) -> UserMessage:
    """Tells the model, in the turn itself and nowhere else, that it has to answer again."""
    return user(f"[Your last answer could not be used: {detail}. Answer again.]")


class _Latest(msgspec.Struct, frozen=True):
    """The latest summary: where it was written, what it covers, and how much of earlier results is shown."""

    revision: int
    cutoff: int
    shown: int


def _add_summary(messages: list[Message], summaries: Sequence[tuple[int, Summarised]]) -> _Latest:
    """The latest summary stands for all that it covers, so it comes first, wherever in the log it was written."""
    revision, event = summaries[-1]
    if event.text:
        messages.append(user(f"Summary of the conversation so far:\n{event.text}"))
    if event.request:
        messages.append(user(event.request))
    return _Latest(revision, max(one.cutoff for _, one in summaries), event.shown)


def _message_of(event: Event) -> Message | None:
    match event:
        case UserSaid(parts=parts):
            return user(parts)
        case ModelSaid(message=message):
            return message if message.parts else None
        case Interrupted(text=text):
            return assistant(f"{text} [interrupted]".strip())
        case TurnFinished(text=text) if text:
            return assistant(text)
        case TurnCancelled():
            return assistant("[cancelled by the user]")
        case StepFailed() | TurnFinished() | ToolReturned() | Summarised() | Routed() | Opaque():
            return None
