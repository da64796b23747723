"""Looks again for what became of the effects of a session that nobody knew about when its turns ended."""

from typing import TYPE_CHECKING

from emonk.clock import SYSTEM_CLOCK, Clock
from emonk.effects.reconcile import reconcile_unknown
from emonk.records import Effect, SessionKey
from emonk.skills.protocol import Context

if TYPE_CHECKING:
    from emonk.agent.agent import Agent


async def reconcile(agent: "Agent", session_id: str, *, clock: Clock = SYSTEM_CLOCK) -> list[Effect]:
    """See `Agent.reconcile`."""

    def context(effect: Effect) -> Context:
        return Context(
            agent=agent.name,
            session_id=session_id,
            user_id=effect.user_id,
            call_id="",
            trace_id=effect.trace_id,
            clock=clock,
            deadline=None,
            progress=lambda _: None,
            guards=agent.guards,
            effect_key=effect.key,
            doors=agent.doors(effect.user_id),
        )

    tools = {tool.name: tool for tool in agent.tools}
    return await reconcile_unknown(agent.store, SessionKey(agent.name, session_id), tools, context)
