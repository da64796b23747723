"""Whatever a session went through, its context fits, stays valid, and is the same after a crash."""

import asyncio
from collections.abc import Sequence

from hypothesis import HealthCheck, given, settings

from emonk.events import Event, Logged, Summarised, UserSaid
from emonk.messages import AssistantMessage, Message, ToolMessage, UserMessage
from emonk.models.tokens import UNKNOWN
from emonk.runtime.compression.cut import cut, latest, units_of
from emonk.runtime.compression.shortening import SHORTEST
from emonk.runtime.compression.size import ContextSize
from emonk.runtime.context import messages_of
from emonk.store.protocol import Release
from emonk.testing.clock import ManualClock
from emonk.testing.every_provider import refusals
from emonk.testing.memory_store import MemoryDatabase
from emonk.testing.model import ScriptedModel
from tests.runtime.compression.histories import Opened, Told, begin, events_of, histories, log_of, opened

BUDGET = 1500


@settings(max_examples=2000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories)
def test_every_history_is_compressed_within_the_rules(history: tuple[list[Told], Told, str]) -> None:
    asyncio.run(_held_to_the_rules(events_of(history)))


async def _held_to_the_rules(events: Sequence[Event]) -> None:
    store = MemoryDatabase(ManualClock()).open()
    await begin(store, events)
    before = await log_of(store)
    turn = await opened(store, ScriptedModel([], spec="offline"), budget=BUDGET)
    was = list(turn.context.messages)
    await turn.context.fit()
    await turn.journal.flush()
    after = await log_of(store)

    added = [logged.event for logged in after[len(before) :]]
    assert after[: len(before)] == before
    assert all(isinstance(event, Summarised) for event in added)
    _check_messages(turn.context.messages)
    _check_kept(was, turn.context.messages)
    _check_cut(before, latest(after))
    _check_budget(turn, after)

    await turn.context.fit()
    await turn.journal.flush()
    assert await log_of(store) == after, "twice in a row changes nothing"

    await store.commit((Release(),), fence=turn.claimed.lease, expected_revision=turn.journal.revision)
    resumed = await opened(store, ScriptedModel([], spec="offline"), budget=BUDGET)
    assert resumed.context.messages == turn.context.messages
    assert resumed.context.tokens == turn.context.tokens
    summary = latest(after)
    assert resumed.claimed.events[0].revision == (summary.cutoff if summary else 0) + 1


def _check_messages(messages: Sequence[Message]) -> None:
    """Calls are followed by their results, and every provider takes it."""
    assert list(refusals(messages)) == []
    for before, message in zip([None, *messages], [*messages, None], strict=True):
        calls = [call.id for call in before.tool_calls] if isinstance(before, AssistantMessage) else []
        results = [one.call_id for one in message.results] if isinstance(message, ToolMessage) else []
        assert calls == results


def _check_kept(was: Sequence[Message], now: Sequence[Message]) -> None:
    """The last ten messages stay, results perhaps in part; so does what the user said last, word for word."""
    for old, new in zip(was[-10:], now[-10:], strict=True) if len(was) >= 10 else ():
        if isinstance(old, ToolMessage):
            assert isinstance(new, ToolMessage)
            for whole, part in zip(old.results, new.results, strict=True):
                assert (whole.call_id, whole.error) == (part.call_id, part.error)
                assert part.content[: SHORTEST // 2] == whole.content[: SHORTEST // 2]
        else:
            assert old == new
    asked = [message for message in was if isinstance(message, UserMessage)]
    assert asked[-1] in now


def _check_cut(log: Sequence[Logged], summary: Summarised | None) -> None:
    """Nothing that belongs together, and no open call, lies on both sides of a cutoff."""
    if summary is not None and summary.cutoff:
        for unit in units_of(log):
            assert unit.first > summary.cutoff or unit.last <= summary.cutoff


def _check_budget(turn: Opened, log: Sequence[Logged]) -> None:
    """The context fits, unless what must stay is too long by itself or hardly anything can be cut."""
    if turn.context.tokens <= BUDGET:
        return
    results = [one for message in turn.context.messages if isinstance(message, ToolMessage) for one in message.results]
    assert all(len(one.content) <= SHORTEST + 200 for one in results)
    summary = latest(log)
    units = units_of(log, summary.cutoff if summary else 0)
    end = cut(units, 10)
    stay = [one for one in log if one.revision >= units[end].first]
    assert end == 0 or ContextSize("", UNKNOWN, 0).of(messages_of(stay, SHORTEST)) > BUDGET - 100


def test_a_session_that_is_short_enough_is_left_alone() -> None:
    history = ([Told(20, (), "answer")], Told(20, (), "open"), "whole")

    async def main() -> None:
        store = MemoryDatabase(ManualClock()).open()
        await begin(store, events_of(history))
        turn = await opened(store, ScriptedModel([]), budget=BUDGET)
        await turn.context.fit()
        assert turn.context.messages == messages_of(turn.claimed.events)
        assert turn.seen == []
        assert not any(isinstance(logged.event, Summarised) for logged in turn.journal.events)
        assert any(isinstance(logged.event, UserSaid) for logged in turn.journal.events)

    asyncio.run(main())
