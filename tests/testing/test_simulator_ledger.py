"""The ledger of effects is held against the log of the simulated remote."""

import msgspec
import pytest

from emonk.records import Effect, EffectState, Reply, ReplyStatus, SessionKey
from emonk.testing.simulator import Crash, Fault, Invariant, Said, Schedule, ToolFault, judge, replay
from emonk.testing.simulator import history as h
from emonk.testing.simulator.history import Ended, History, Kept, Looked, Record, ToolActed, ToolBegan, Where
from emonk.testing.simulator.ledger import (
    ledger_and_remote_agree,
    no_effect_happens_twice,
    what_can_be_looked_up_is_known,
    what_is_unknown_is_not_sent_anew,
)
from tests.testing.simulated import notify, post, posting_agent

AT = Where(1.0, "s", "m")
BEGAN = ToolBegan(AT, call_id="1", tool="post", idempotent=False, risk="low", fault="", key="k")
ACTED = ToolActed(AT, call_id="1", tool="post", idempotent=False, key="k")


def looked(found: str) -> Looked:
    return Looked(AT, key="k", tool="post", found=found)


ANEW = msgspec.structs.replace(BEGAN, key="anew")


def two(first: EffectState, second: EffectState) -> History:
    """The same call for two messages."""
    history = run(BEGAN, ANEW, state=first)
    assert history.ended
    (effect,) = history.ended.effects
    again = msgspec.structs.replace(effect, key="anew", state=second)
    history.ended = msgspec.structs.replace(history.ended, effects=(effect, again))
    return history


def run(*records: Record, state: EffectState | None, status: ReplyStatus = "done") -> History:
    effect = Effect(
        key="k",
        session=SessionKey("a", "s"),
        user_id="u",
        trace_id="t",
        tool="post",
        arguments={},
        occasion="o",
        created_at=0,
        updated_at=0,
        state=state or EffectState.PREPARED,
    )
    reply = Reply(text="ok", status=status, session_id="s", message_id="m", trace_id="t")
    effects = (effect,) if state else ()
    ended = Ended(kept=[Kept("s", "m", reply)], logs={}, leases=[], effects=effects, leftovers=[], settled=True)
    return History(
        schedule=Schedule(seed=0, events=()), limit=300.0, records=list(records), reconciled=["post"], ended=ended
    )


DONE, REJECTED, UNKNOWN = EffectState.DONE, EffectState.REJECTED, EffectState.UNKNOWN


@pytest.mark.parametrize(
    ("invariant", "history", "broken"),
    [
        (no_effect_happens_twice, run(BEGAN, ACTED, state=DONE), False),
        (no_effect_happens_twice, run(BEGAN, ACTED, BEGAN, ACTED, state=DONE), True),
        (ledger_and_remote_agree, run(BEGAN, ACTED, state=DONE), False),
        (ledger_and_remote_agree, run(BEGAN, ACTED, state=UNKNOWN), False),
        (ledger_and_remote_agree, run(BEGAN, ACTED, state=REJECTED), True),
        (ledger_and_remote_agree, run(BEGAN, state=REJECTED), False),
        (ledger_and_remote_agree, run(BEGAN, state=DONE), True),
        (ledger_and_remote_agree, run(BEGAN, state=EffectState.SENDING), True),
        (ledger_and_remote_agree, run(BEGAN, ACTED, state=None), True),
        (what_is_unknown_is_not_sent_anew, two(UNKNOWN, DONE), True),
        (what_is_unknown_is_not_sent_anew, two(UNKNOWN, UNKNOWN), True),
        (what_is_unknown_is_not_sent_anew, two(REJECTED, UNKNOWN), False),
        (what_is_unknown_is_not_sent_anew, two(DONE, DONE), False),
        (what_can_be_looked_up_is_known, run(BEGAN, state=UNKNOWN), True),
        (what_can_be_looked_up_is_known, run(BEGAN, looked("happened"), state=UNKNOWN), True),
        (what_can_be_looked_up_is_known, run(BEGAN, looked("cannot tell"), state=UNKNOWN), False),
        (what_can_be_looked_up_is_known, run(BEGAN, state=UNKNOWN, status="cancelled"), False),
        (what_can_be_looked_up_is_known, run(BEGAN, state=DONE), False),
    ],
)
def test_what_does_not_agree_is_seen(invariant: Invariant, history: History, broken: bool) -> None:
    assert bool(list(invariant(history))) == broken


def cut(tool: object, seed: int) -> History:
    """The instance is killed when the remote has acted, and before it hears of that."""
    said = Said(at=1, session="s1", user="ann", message_id="m", text="Go")
    crash = Crash(at=0.5, step=1, after="run tool done", down=2.0)
    return replay(posting_agent(tools=[tool]), Schedule(seed=seed, events=(said, crash)))


def states(tool: object) -> set[EffectState]:
    histories = [history for history in (cut(tool, seed) for seed in range(12)) if list(history.of(h.Crashed))]
    assert histories
    assert [judge(history).broken for history in histories] == [None] * len(histories)
    return {effect.state for history in histories if history.ended for effect in history.ended.effects}


def test_an_effect_that_a_crash_cut_is_looked_up_where_the_remote_can_be_asked_and_unknown_elsewhere() -> None:
    assert DONE in states(post)
    assert UNKNOWN in states(notify)


def test_what_the_remote_says_has_not_happened_does_not_arrive_later() -> None:
    said = Said(at=1, session="s1", user="ann", message_id="m", text="Go")
    crash = Crash(at=0.5, step=1, after="run tool sent", down=0.01)
    found: set[str] = set()
    for seed in range(40):
        history = replay(posting_agent(tools=[post]), Schedule(seed=seed, events=(said, crash)))
        assert judge(history).broken is None, "\n".join(history.lines())
        found |= {one.found for one in history.of(Looked)}
    assert {"happened", "not happened"} <= found


def test_no_effect_acts_by_a_tools_own_code() -> None:
    faults = {number: Fault(ToolFault.DROPPED_AFTER) for number in range(1, 9)}
    said = Said(at=1, session="s1", user="ann", message_id="m", text="Go")
    histories = [
        replay(posting_agent(tools=[post]), Schedule(seed=seed, events=(said,), tools={"s1": faults}))
        for seed in range(10)
    ]
    assert any(list(history.of(Looked)) for history in histories)
    assert all(judge(history).broken is None for history in histories)
