"""Whether the ledger of effects and the remote's own log agree: the invariants of effects."""

from collections import Counter
from collections.abc import Iterator

import msgspec

from emonk.records import Effect, EffectState, SessionKey
from emonk.testing.simulator.history import History, Looked, ToolActed, ToolBegan

_MAY_HAVE_ACTED = frozenset({EffectState.DONE, EffectState.UNKNOWN})
_CUT = frozenset({"cancelled", "limit", "failed"})
"""How turns end within which an effect may be cut off, and not be looked for any more."""


def no_effect_happens_twice(history: History) -> Iterator[str]:
    """By the log of the remote: whoever asked for it, and how often."""
    first: dict[str, ToolActed] = {}
    for acted in history.of(ToolActed):
        if acted.key and acted.key in first:
            yield first[acted.key].line()
            yield acted.line()
            return
        first[acted.key] = acted


def ledger_and_remote_agree(history: History) -> Iterator[str]:
    """What is `done` was done, what was done is `done` or `unknown`, and nothing is `sending` for ever."""
    if history.ended is None or not history.ended.settled:
        return
    acted = Counter(one.key for one in history.of(ToolActed) if one.key)
    for effect in history.ended.effects:
        wrong = bool(acted[effect.key]) and effect.state not in _MAY_HAVE_ACTED
        if wrong or effect.state in (EffectState.SENDING, EffectState.PREPARED):
            yield f"the effect {effect.tool} of {effect.session.session_id} is {effect.state}"
        elif effect.state is EffectState.DONE and not acted[effect.key]:
            yield f"the effect {effect.tool} of {effect.session.session_id} is done, and the remote knows nothing of it"
        else:
            continue
        yield f"the remote did it {acted[effect.key]} times"
        yield from (one.line() for one in history.of(ToolBegan) if one.key == effect.key)
        return
    kept = {effect.key for effect in history.ended.effects}
    yield from (f"not in the ledger: {one.line()}" for one in history.of(ToolActed) if one.key and one.key not in kept)


def what_is_unknown_is_not_sent_anew(history: History) -> Iterator[str]:
    """Nor for a later message, under another key: an effect that is `unknown` in the end was so ever since its turn."""
    if history.ended is None:
        return
    effects = {effect.key: effect for effect in history.ended.effects}
    left: dict[tuple[SessionKey, str, str, bytes], ToolBegan] = {}
    for began in history.of(ToolBegan):
        effect = effects.get(began.key)
        if effect is None:
            continue
        earlier = left.get(_call_of(effect))
        if earlier is not None and earlier.key != began.key:
            yield earlier.line()
            yield began.line()
            return
        if effect.state is EffectState.UNKNOWN:
            left[_call_of(effect)] = began


def _call_of(effect: Effect) -> tuple[SessionKey, str, str, bytes]:
    return effect.session, effect.tool, effect.account, msgspec.json.encode(effect.arguments, order="deterministic")


def what_can_be_looked_up_is_known(history: History) -> Iterator[str]:
    """An effect that is `unknown` in the end has no hook, its hook could not tell, or its turn was cut off."""
    if history.ended is None:
        return
    looks: dict[str, set[str]] = {}
    for looked in history.of(Looked):
        looks.setdefault(looked.key, set()).add(looked.found)
    cut = {(one.session, one.message_id) for one in history.ended.kept if one.reply and one.reply.status in _CUT}
    turns = {began.key: began for began in history.of(ToolBegan)}
    for effect in history.ended.effects:
        began = turns.get(effect.key)
        if effect.state is not EffectState.UNKNOWN or effect.tool not in history.reconciled or began is None:
            continue
        if looks.get(effect.key, set()) & {"cannot tell", "fails"}:
            continue
        if (began.where.session, began.message_id) not in cut:
            yield f"the effect {effect.tool} of {effect.session.session_id} is unknown, and could be looked up"
            yield began.line()
            return
