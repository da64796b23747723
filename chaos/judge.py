"""Whether a story's log, its answers and the remote's own log agree with what was promised."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence, Set
from typing import NamedTuple

from chaos.errands import Errand
from emonk.effects.unfinished import NAMESPACE, effect_of
from emonk.events import Logged, TurnFinished, UserSaid
from emonk.records import Effect, EffectState
from emonk.runtime.context import messages_of
from emonk.store.protocol import Store
from emonk.testing.every_provider import refusals


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
    broken += [problem async for problem in _ledger(store, agent, told)]
    broken += (f"{word} was done {told.done[word]} times" for one in sent for word in one.words if told.done[word] > 1)
    return broken


async def _ledger(store: Store, agent: str, told: Told) -> AsyncIterator[str]:
    """A row for each post and payment, which says what the remote's own log says; a post is never in doubt."""
    rows = {effect.arguments["word"]: effect for effect in await _effects(store) if effect.session.agent == agent}
    for tool, word in (call for errand in told.sent for step in errand.steps for call in step):
        if tool not in {"post", "pay"}:
            continue
        state = rows[word].state if word in rows else None
        happened = told.done[word] > 0
        fits = {EffectState.DONE: happened, EffectState.UNKNOWN: tool == "pay"}
        if state is None or not fits.get(state, False):
            yield f"the ledger says that {tool} {word} is {state}, and the remote did it {told.done[word]} times"


async def _effects(store: Store) -> list[Effect]:
    found: list[Effect] = []
    after = ""
    while page := await store.records(NAMESPACE, after=after):
        found += map(effect_of, page)
        after = page[-1].key
    return found


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
    for refusal in refusals(messages_of(log)):
        yield f"{session_id}: its history: {refusal}"
