"""Looks at the outside for effects of which nobody knows whether they happened."""

import asyncio
import logging
from typing import Final

from emonk.records import Effect
from emonk.resilience.deadline import within
from emonk.skills.effect import Finding, ToolEffect
from emonk.skills.protocol import Context

RECONCILE_SECONDS: Final = 20.0
"""For one look at the outside, its retry included."""

_log = logging.getLogger("emonk.effects")


async def ask(tool: ToolEffect, effect: Effect, context: Context) -> Finding:
    """What the tool's reconcile function found; None when it has none, fails, or takes too long.

    It has a guard of its own: the one of the tool may have just opened. Only cancellation gets out.
    """
    if not tool.reconciles:
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
