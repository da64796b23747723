"""Whether a story's log, its answers and the remote's own log agree with what was promised."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import NamedTuple

import msgspec

from chaos.errands import Errand
from emonk.events import Logged, TurnFinished, UserSaid
from emonk.models.gemini_request import RequestWriter
from emonk.models.protocol import ModelRequest
from emonk.runtime.context import messages_of
from emonk.store.protocol import Store
from emonk.testing.gemini_rules import Refused, check


class Told(NamedTuple):
    """What a story's clients and its remote know.

    Attributes:
        sent: the messages, in order.
        accepted: the ids of those that were acknowledged before the last process.
        replies: status and text by message id, as the last process told.
        done: how often the remote did each word.
    """

    sent: Sequence[Errand]
    accepted: Set[str]
    replies: Mapping[str, tuple[str, str]]
    done: Counter[str]


async def judge(store: Store, agent: str, told: Told) -> list[str]:
    """The promises that were broken."""
    sent = told.sent
    broken = list(_answers(told))
    logs = {session.session_id: await store.read(session.key) for session in await store.sessions(agent=agent)}
    for session_id in {errand.session_id for errand in sent}:
        mine = [errand for errand in sent if errand.session_id == session_id]
        broken += _log(session_id, logs.get(session_id, []), mine, told.accepted)
    broken += (f"{word} was done {told.done[word]} times" for one in sent for word in one.words if told.done[word] > 1)
    return broken


def _answers(told: Told) -> Iterator[str]:
    for errand in told.sent:
        status, text = told.replies.get(errand.message_id, ("no reply", ""))
        if status != "done" or not text.endswith(errand.answer):
            yield f"{errand.message_id} was answered {status}: {text!r}"


def _log(session_id: str, log: Sequence[Logged], sent: Sequence[Errand], accepted: Set[str]) -> Iterator[str]:
    asked = [logged.event.message_id for logged in log if isinstance(logged.event, UserSaid)]
    ended = [logged.event.message_id for logged in log if isinstance(logged.event, TurnFinished)]
    if asked != ended:
        yield f"{session_id}: asked {asked}, ended {ended}"
    if len(asked) != len(set(asked)):
        yield f"{session_id}: a message is in the log twice: {asked}"
    if lost := {errand.message_id for errand in sent if errand.message_id in accepted} - set(asked):
        yield f"{session_id}: lost {sorted(lost)}"
    if [logged.revision for logged in log] != list(range(1, len(log) + 1)):
        yield f"{session_id}: its revisions have holes"
    yield from _valid(session_id, log)


def _valid(session_id: str, log: Sequence[Logged]) -> Iterator[str]:
    """Every adapter's rules must hold for the whole history."""
    request = ModelRequest(messages=messages_of(log))
    try:
        check(msgspec.json.decode(RequestWriter().write(request)))
    except Refused as refusal:
        yield f"{session_id}: Gemini refuses its history: {refusal}"
