"""No effect goes where it must not, whatever is tried."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from emonk.effects.state import IllegalMoveError, Reason, move
from emonk.records import Effect, EffectState, SessionKey

FINAL = {EffectState.DONE, EffectState.CANCELLED, EffectState.EXPIRED}
STATES = st.sampled_from(EffectState)
REASONS = st.sampled_from(Reason)


def effect(state: EffectState = EffectState.PREPARED) -> Effect:
    return Effect(
        key="k",
        session=SessionKey("a", "s"),
        user_id="u",
        trace_id="t",
        tool="post",
        arguments={},
        occasion="o",
        created_at=5,
        updated_at=5,
        state=state,
    )


class AnyMoves(RuleBasedStateMachine):
    """Tries every move; keeps its own account of what the outside can have seen."""

    def __init__(self) -> None:
        super().__init__()
        self.effect = effect()
        self.sent = 0
        self.may_act = False

    @rule(state=STATES, reason=REASONS, at=st.integers(0, 10))
    def try_to_move(self, state: EffectState, reason: Reason, at: int) -> None:
        before = self.effect
        try:
            self.effect = move(before, state, at, reason=reason)
        except IllegalMoveError:
            return
        assert before.state not in FINAL
        if before.state is EffectState.UNKNOWN:
            assert reason is Reason.RECONCILED
        if before.state is EffectState.REJECTED:
            assert state in (EffectState.SENDING, EffectState.REJECTED)
            assert reason is Reason.CALLED
        if state in (EffectState.CANCELLED, EffectState.EXPIRED):
            assert before.state is EffectState.PREPARED
        if state is EffectState.SENDING:
            assert not self.may_act or reason is Reason.RECONCILED
            self.sent += 1
            self.may_act = True
        if state is EffectState.REJECTED:
            self.may_act = False

    @invariant()
    def attempts_are_the_times_it_was_sent(self) -> None:
        assert self.effect.attempts == self.sent
        assert self.effect.updated_at >= self.effect.created_at
        if self.effect.state is EffectState.DONE:
            assert self.sent


TestAnyMoves = AnyMoves.TestCase


@given(state=STATES, reason=REASONS, before=st.sampled_from(sorted(FINAL)))
def test_what_is_done_cancelled_or_expired_stays_so(state: EffectState, reason: Reason, before: EffectState) -> None:
    with pytest.raises(IllegalMoveError, match=before):
        move(effect(before), state, 9, reason=reason)


@pytest.mark.parametrize("state", [EffectState.DONE, EffectState.REJECTED, EffectState.SENDING])
def test_an_unknown_effect_goes_on_by_a_reconciliation_only(state: EffectState) -> None:
    assert move(effect(EffectState.UNKNOWN), state, 9, reason=Reason.RECONCILED).state is state
    for reason in (Reason.SENDER, Reason.CALLED):
        with pytest.raises(IllegalMoveError):
            move(effect(EffectState.UNKNOWN), state, 9, reason=reason)


def test_the_id_that_the_outside_gave_is_kept() -> None:
    sent = move(effect(), EffectState.SENDING, 6)
    lost = move(sent, EffectState.UNKNOWN, 7, remote_id="r1", content="cut off", error="outcome_unknown")
    done = move(lost, EffectState.DONE, 8, reason=Reason.RECONCILED, content="posted")
    assert (done.remote_id, done.content, done.error, done.updated_at) == ("r1", "posted", "", 8)
