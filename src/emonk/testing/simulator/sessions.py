"""What becomes of messages and of the log: the invariants of sessions."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import get_args

from emonk.events import (
    Event,
    Logged,
    ModelSaid,
    Opaque,
    Summarised,
    ToolReturned,
    TurnCancelled,
    TurnFinished,
    UserSaid,
)
from emonk.records import Reply, ReplyStatus
from emonk.testing.simulator.history import Acknowledged, Answered, Enqueued, History, Record, Refused, Said

_STATUSES = frozenset(get_args(ReplyStatus))


def every_message_gets_its_reply(history: History) -> Iterator[str]:
    """Whoever asks gets a reply and no exception, and an accepted message has one in the end, also if its user left."""
    patient = {said.session for said in history.schedule.messages if said.patient}
    left = {said.message_id for said in history.schedule.messages if said.leave == "leaves" or said.gives_up}
    for refused in history.of(Refused):
        behind = refused.error.startswith("Postponed") and refused.where.session in patient
        if refused.error and not behind:
            yield f"an exception instead of a reply: {refused.line()}"
            return
        if not refused.error and refused.message_id not in left:
            yield f"a caller waits in vain: {refused.line()}"
            return
    asked = _counted(history, Said)
    ended = _counted(history, Answered) + _counted(history, Refused) + _counted(history, Enqueued)
    for key in asked:
        if asked[key] != ended[key]:
            yield f"{key[1]} was said {asked[key]} times, and {ended[key]} callers heard of it"
            return
    for kept in history.ended.kept if history.ended else ():
        if kept.reply is None:
            yield f"{kept.message_id} of {kept.session} was accepted and has no reply"
            return


def nothing_acknowledged_is_lost(history: History) -> Iterator[str]:
    """What was answered is in the store and in the log of its session."""
    if history.ended is None:
        return
    kept = {(one.session, one.message_id) for one in history.ended.kept}
    logged = {
        (key.session_id, one.event.message_id)
        for key, log in history.ended.logs.items()
        for one in log
        if isinstance(one.event, UserSaid)
    }
    for record in history.records:
        match record:
            case Answered(reply=reply) if reply.status != "busy":
                key = (record.where.session, record.message_id)
            case Enqueued(accepted=True) | Acknowledged():
                key = (record.where.session, record.message_id)
            case _:
                continue
        if key not in kept or key not in logged:
            yield f"not in the {'log' if key in kept else 'store'}: {record.line()}"
            return


def replies_are_typed(history: History) -> Iterator[str]:
    """A reply names its message, has a known status, says something, and gives a reason unless it is done."""
    for answered in history.of(Answered):
        reply, where = answered.reply, answered.where
        named = (reply.session_id, reply.message_id) == (where.session, where.message_id)
        reasoned = reply.status == "done" or bool(reply.reason)
        if not (named and reasoned and reply.status in _STATUSES and reply.text):
            yield answered.line()
            yield f"    {reply}"
            return


def repetitions_get_the_same_reply(history: History) -> Iterator[str]:
    """All who sent one message id got one reply, the one that is kept."""
    first: dict[tuple[str, str], Reply | None] = {}
    for kept in history.ended.kept if history.ended else ():
        first[kept.session, kept.message_id] = kept.reply
    for answered in history.of(Answered):
        reply = answered.reply
        expected = first.setdefault((answered.where.session, answered.message_id), reply)
        if reply.status != "busy" and expected != reply:
            yield answered.line()
            yield f"    got  {reply}"
            yield f"    kept {expected}"
            return


def the_log_is_well_formed(history: History) -> Iterator[str]:
    """Revisions have no gap; each turn is opened once and closed once; each call has one result within its turn."""
    for key, log in (history.ended.logs if history.ended else {}).items():
        problem = _log_problem(log)
        if problem:
            yield f"{problem}, session {key.session_id}:"
            yield from (f"    {one.revision} {one.event}" for one in log)
            return


def sessions_keep_their_order(history: History) -> Iterator[str]:
    """Turns run in the order in which their messages were accepted."""
    if history.ended is None:
        return
    for key, log in history.ended.logs.items():
        accepted = [one.message_id for one in history.ended.kept if one.session == key.session_id]
        ran = [one.event.message_id for one in log if isinstance(one.event, UserSaid)]
        if ran != accepted[: len(ran)]:
            yield f"session {key.session_id} accepted {', '.join(accepted)} and ran {', '.join(ran)}"
            return


def _counted(history: History, kind: type[Record]) -> Counter[tuple[str, str]]:
    return Counter((one.where.session, one.message_id) for one in history.of(kind))


def _log_problem(log: Sequence[Logged]) -> str:
    if [one.revision for one in log] != list(range(1, len(log) + 1)):
        return "revisions have a gap"
    turn, calls = "", set[str]()
    for one in log:
        problem = _problem_of(one.event, turn, calls)
        if problem:
            return f"{problem} at revision {one.revision}"
        match one.event:
            case UserSaid(message_id=message_id):
                turn = message_id
            case ModelSaid(message=message):
                calls |= {call.id for call in message.tool_calls}
            case ToolReturned(result=result):
                calls.remove(result.call_id)
            case TurnFinished() | TurnCancelled():
                turn = ""
            case _:
                continue
    return "the last turn is not closed" if turn else ""


def _problem_of(event: Event, turn: str, calls: set[str]) -> str:
    match event:
        case UserSaid():
            return "a turn begins within another" if turn else ""
        case ToolReturned(result=result):
            return "" if result.call_id in calls else f"a result of {result.call_id}, which is no open call,"
        case TurnFinished(message_id=message_id) | TurnCancelled(message_id=message_id) if message_id != turn:
            return f"the turn of {message_id} ends, and {turn or 'none'} is open"
        case Summarised() | Opaque():
            return ""
        case _ if not turn:
            return f"{type(event).__name__} outside a turn"
        case _:
            return f"calls without a result ({', '.join(sorted(calls))})" if calls else ""
