"""What the tests of recovery share."""

import asyncio
from typing import Any

from emonk import Agent
from emonk.errors import (
    Unavailable,
)
from emonk.messages import ToolMessage
from emonk.records import Reply, SessionKey
from emonk.resilience.section import ComponentSection, ResilienceSection
from emonk.testing.clock import ManualClock
from emonk.testing.model import ScriptedModel, call
from tests.agent.weather import get_weather

PARIS = call("get_weather", city="Paris")
DOWN = Unavailable("the provider is down")
ONE_TRY = ResilienceSection(models=ComponentSection(retries=0))
EXACT = ResilienceSection(models=ComponentSection(jitter=False))


async def ask_over(clock: ManualClock, agent: Agent, text: str = "Weather in Paris?", **ids: Any) -> Reply:
    """The reply, however long it takes on the clock."""
    turn = asyncio.create_task(agent.process_message(text, **{"session_id": "s", **ids}))
    while not turn.done():
        if clock.sleepers:
            await clock.advance(1)
        else:
            await asyncio.sleep(0)
    return await turn


def models(**scripts: list[Any]) -> dict[str, ScriptedModel]:
    return {role: ScriptedModel(script, spec=f"scripted:{role}") for role, script in scripts.items()}


def agent_with(store: str, given: dict[str, ScriptedModel], **settings: Any) -> Agent:
    settings.setdefault("tools", [get_weather])
    settings.setdefault("resilience", ONE_TRY)
    return Agent("weather", given, store=store, **settings)


def key(agent: Agent) -> SessionKey:
    return SessionKey(agent.name, "s")


def last_result(model: ScriptedModel) -> Any:
    message = model.requests[-1].messages[-1]
    assert isinstance(message, ToolMessage)
    return message.results[-1]
