"""What may be sent to a model, and when: the invariants of requests."""

from collections import Counter
from collections.abc import Iterator, Sequence

from emonk.messages import AssistantMessage, Message, ToolCall, ToolMessage, UserMessage
from emonk.testing.every_provider import refusals
from emonk.testing.simulator.history import Came, Granted, History, Sent, ToolBegan, ToolLeft

Turn = tuple[int, str]
"""An instance, and the message whose turn it runs."""

_ROUNDING = 1e-6


def requests_are_valid(history: History) -> Iterator[str]:
    """Calls are paired with their results, roles are in order, and nothing is empty."""
    for sent in history.of(Sent):
        problem = problem_of(sent.messages)
        if problem:
            yield f"{problem}: {sent.line()}"
            yield from (f"    {message}" for message in sent.messages)
            return


def every_provider_takes_every_request(history: History) -> Iterator[str]:
    """As it would be written for each provider, a request keeps that provider's rules."""
    for sent in history.of(Sent):
        for refusal in refusals(sent.messages):
            yield f"{refusal}: {sent.line()}"
            yield from (f"    {message}" for message in sent.messages)
            return


def no_retry_before_the_hint(history: History) -> Iterator[str]:
    """A turn sends nothing more to a model, and runs a call no second time, before it may, as it was told."""
    told: dict[tuple[Turn, str], Came | ToolLeft] = {}
    unclear = taken_twice(history)
    for record in history.records:
        turn = (record.where.instance, record.message_id)
        if turn in unclear:
            continue
        match record:
            case Granted():
                told = {key: each for key, each in told.items() if key[0][1] != record.message_id}
            case Came() if record.hint is not None:
                told[turn, record.model] = record
            case ToolLeft() if record.hint is not None:
                told[turn, record.call_id] = record
            case Sent() | ToolBegan():
                name = record.model if isinstance(record, Sent) else record.call_id
                earlier = told.get((turn, name))
                if earlier and record.at < earlier.at + (earlier.hint or 0.0) - _ROUNDING:
                    yield earlier.line()
                    yield record.line()
                    return
            case _:
                continue


def no_retry_after_a_final_error(history: History) -> Iterator[str]:
    """What a human must act on, and a quota that is used up, is not asked for again."""
    final: dict[tuple[Turn, str, object], Came | ToolLeft] = {}
    unclear = taken_twice(history)
    lengths = {sent.number: len(sent.messages) for sent in history.of(Sent)}
    for record in history.records:
        turn = (record.where.instance, record.message_id)
        if turn in unclear:
            continue
        match record:
            case Granted():
                final = {key: each for key, each in final.items() if key[0][1] != record.message_id}
            case Came() if record.final:
                final[turn, record.model, lengths[record.number]] = record
            case ToolLeft() if record.final:
                final[turn, record.tool, record.call_id] = record
            case Sent() | ToolBegan():
                key = (
                    (turn, record.model, len(record.messages))
                    if isinstance(record, Sent)
                    else (turn, record.tool, record.call_id)
                )
                if key in final:
                    yield final[key].line()
                    yield record.line()
                    return
            case _:
                continue


def no_retry_after_output_began(history: History) -> Iterator[str]:
    """A stream that broke off after its first words ends the turn."""
    broken: dict[Turn, Came] = {}
    unclear = taken_twice(history)
    for record in history.records:
        turn = (record.where.instance, record.message_id)
        if turn in unclear:
            continue
        match record:
            case Granted():
                broken = {key: each for key, each in broken.items() if key[1] != record.message_id}
            case Came() if record.shown and record.error:
                broken[turn] = record
            case Sent() if turn in broken:
                yield broken[turn].line()
                yield record.line()
                return
            case _:
                continue


def taken_twice(history: History) -> set[Turn]:
    """The turns that one instance got more than once: which of them a record belongs to cannot be told.

    So it is where a lease ran out, as by a jump of the clock: the turn that has lost it goes on until it is told so.
    """
    times = Counter((granted.where.instance, granted.message_id) for granted in history.of(Granted))
    return {turn for turn, count in times.items() if count > 1}


def problem_of(messages: Sequence[Message]) -> str:
    """What makes a conversation one that no provider should be sent; empty when nothing does."""
    if not messages or not isinstance(messages[0], UserMessage):
        return "the first message is not the user's"
    if isinstance(messages[-1], AssistantMessage):
        return "the last message is the model's"
    calls: tuple[ToolCall, ...] = ()
    before: Message | None = None
    for message in messages:
        problem = _problem_after(before, calls, message)
        if problem:
            return problem
        calls = message.tool_calls if isinstance(message, AssistantMessage) else ()
        before = message
    return ""


def _problem_after(before: Message | None, calls: Sequence[ToolCall], message: Message) -> str:
    match message:
        case ToolMessage(results=results):
            if not calls:
                return "results follow no calls"
            if [(one.call_id, one.name) for one in results] != [(call.id, call.name) for call in calls]:
                return "the results are not those of the calls before them"
            return ""
        case _ if calls:
            return "calls are not followed by their results"
        case AssistantMessage(parts=parts):
            ids = [call.id for call in message.tool_calls]
            if len(set(ids)) < len(ids):
                return "two calls have one id"
            if ids and isinstance(before, AssistantMessage):
                return "calls follow another message of the model"
            return "" if parts and (ids or message.text) else "a message of the model is empty"
        case UserMessage(parts=parts):
            return "" if parts and message.text else "a message of the user is empty"
