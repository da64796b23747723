"""Looks at the outside for effects of which nobody knows whether they happened."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

from emonk.clock import timestamp
from emonk.effects.ledger import put_of, shortened
from emonk.effects.state import Reason, move
from emonk.effects.unfinished import effect_of, unfinished_records
from emonk.errors import Conflict
from emonk.records import Effect, EffectState, Record, SessionKey
from emonk.resilience.deadline import within
from emonk.skills.effect import Finding, Happened, NotHappened, ToolEffect
from emonk.skills.protocol import Context, Runnable
from emonk.skills.threads import THREADS
from emonk.store.record_protocol import RecordStore

RECONCILE_SECONDS: Final = 20.0
"""For one look at the outside, its retry included."""

NOT_DONE: Final = "not_done"
"""The code of an effect that a look at the outside did not find."""

_log = logging.getLogger("emonk.effects")


async def ask(tool: ToolEffect, effect: Effect, context: Context) -> Finding:
    """What the tool's reconcile function found; None when it has none, fails, or takes too long.

    It is not asked while a thread of this process, which nothing can stop, is still at the effect: what is not there
    yet may come. It has a guard of its own: the one of the tool may have just opened. Only cancellation gets out.
    """
    if not tool.reconciles or THREADS.runs(effect.key):
        return None
    guard = context.guards.of("skills", f"{effect.tool}.reconcile")
    call = guard.call(tool.reconcile, effect, context, deadline=context.deadline, background=False)
    try:
        return await within(
            RECONCILE_SECONDS, call, clock=context.clock, what=f"the reconcile function of {effect.tool}"
        )
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        _log.exception("effect %s could not be reconciled", effect.key)
    except Exception:  # noqa: BLE001 - logged; what cannot be looked up is not known
        _log.exception("effect %s could not be reconciled", effect.key)
    return None


async def reconcile_unknown(
    store: RecordStore, session: SessionKey, tools: Mapping[str, Runnable], context: Callable[[Effect], Context]
) -> list[Effect]:
    """Look once for every `unknown` effect of a session; those of which it is known now, as they are now.

    What is `sending` is left to its turn.

    Raises:
        InfraError, ConfigError: the store cannot be read or written.
    """
    found: list[Effect] = []
    for record in [one async for one in unfinished_records(store, session)]:
        effect = effect_of(record)
        tool = tools.get(effect.tool)
        if effect.state is not EffectState.UNKNOWN or tool is None or tool.effect is None:
            continue
        asked = context(effect)
        settled = settled_by(effect, await ask(tool.effect, effect, asked), timestamp(asked.clock))
        settled = settled and shortened(settled)
        if settled is not None and await _written(store, settled, record):
            found.append(settled)
    return found


def settled_by(effect: Effect, finding: Finding, now: int) -> Effect | None:
    """The effect after a look at the outside; None where that did not tell. `now` is UTC microseconds."""
    match finding:
        case Happened(content=content, remote_id=remote_id):
            return move(effect, EffectState.DONE, now, reason=Reason.RECONCILED, content=content, remote_id=remote_id)
        case NotHappened(reason=why):
            said = f"It did not happen. {why}".strip()
            return move(effect, EffectState.REJECTED, now, reason=Reason.RECONCILED, content=said, error=NOT_DONE)
        case None:
            return None


async def _written(store: RecordStore, effect: Effect, record: Record) -> bool:
    """False when somebody else changed the row meanwhile: then theirs stands."""
    with suppress(Conflict):
        await store.put([put_of(effect, record.version)])
        return True
    return False
