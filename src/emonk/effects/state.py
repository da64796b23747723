"""How an effect may go on.

`prepared -> sending -> done | rejected | unknown`, or `cancelled | expired` before `sending`. `done`, `rejected`,
`cancelled` and `expired` are final, with one exception: what was rejected did not act, so that a new call may send it
again. From `unknown` only a reconciliation leads on.
"""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from emonk.records import Effect, EffectState

_PREPARED, _SENDING, _UNKNOWN = EffectState.PREPARED, EffectState.SENDING, EffectState.UNKNOWN
_DONE, _REJECTED = EffectState.DONE, EffectState.REJECTED


class Reason(StrEnum):
    """Why an effect goes on.

    `sender`: who sends it says what became of it. `reconciled`: somebody looked at the outside. `called`: the model
    called again for what was rejected; that may come to nothing, too, before it is sent.
    """

    SENDER = "sender"
    RECONCILED = "reconciled"
    CALLED = "called"


_ALLOWED: Mapping[Reason, Mapping[EffectState, frozenset[EffectState]]] = {
    Reason.SENDER: {
        _PREPARED: frozenset({_SENDING, EffectState.CANCELLED, EffectState.EXPIRED}),
        _SENDING: frozenset({_DONE, _REJECTED, _UNKNOWN}),
    },
    Reason.RECONCILED: {
        _SENDING: frozenset({_DONE, _REJECTED, _UNKNOWN, _SENDING}),
        _UNKNOWN: frozenset({_DONE, _REJECTED, _SENDING}),
    },
    Reason.CALLED: {_REJECTED: frozenset({_SENDING, _REJECTED})},
}


class IllegalMoveError(ValueError):
    """An effect cannot go on in this way: nothing outside may be done because of it."""


def move(
    effect: Effect,
    state: EffectState,
    at: int,
    *,
    reason: Reason = Reason.SENDER,
    content: str = "",
    error: str = "",
    remote_id: str = "",
) -> Effect:
    """The effect in its next state; every entry into `sending` counts as an attempt.

    Args:
        effect: as it is.
        state: what it becomes.
        at: UTC microseconds.
        reason: why.
        content: the result, or the message of the error.
        error: that error's code.
        remote_id: by which the outside knows it; the one that is known already stays where this is empty.

    Raises:
        IllegalMoveError: it cannot.
    """
    if state not in _ALLOWED[reason].get(effect.state, frozenset()):
        raise IllegalMoveError(f"effect {effect.key} cannot go from {effect.state} to {state} ({reason})")
    return msgspec.structs.replace(
        effect,
        state=state,
        updated_at=max(at, effect.updated_at),
        attempts=effect.attempts + (state is _SENDING),
        content=content,
        error=error,
        remote_id=remote_id or effect.remote_id,
    )
