"""The agent of these tests."""

import asyncio
from collections.abc import Iterable
from typing import Any

from emonk import Agent, Context, tool
from emonk.events import Event, KnownEvent
from emonk.records import SessionKey
from emonk.store.protocol import Store
from emonk.testing.model import ScriptedModel

CITIES: list[str] = []
"""Every city that a tool was asked for, in order; `weather_agent` empties it."""


@tool(risk="low", idempotent=True)
async def get_weather(city: str, days: int = 1) -> str:
    """The weather of a city.

    Args:
        city: its name.
        days: how many.
    """
    CITIES.append(city)
    return f"sunny in {city} for {days} day(s)"


@tool(risk="low")
async def count_visit(ctx: Context, city: str) -> str:
    """Note a visit: twice is not the same as once."""
    CITIES.append(city)
    return f"{ctx.user_id} went to {city}"


@tool
async def book_flight(city: str) -> str:
    """Spend money."""
    CITIES.append(city)
    return "booked"


@tool(risk="low", idempotent=True)
def divide(number: int, by: int) -> float:
    """Divide."""
    return number / by


def weather_agent(script: Iterable[Any], store: str | Store, **settings: Any) -> tuple[Agent, ScriptedModel]:
    """An agent with this script, and its model."""
    CITIES.clear()
    model = ScriptedModel(list(script))
    settings.setdefault("tools", [get_weather, count_visit, book_flight, divide])
    return Agent("weather", model, instructions="Tell the weather.", store=store, **settings), model


async def log_of(agent: Agent, session_id: str) -> list[Event]:
    """The events of a session."""
    return [logged.event for logged in await agent.store.read(SessionKey(agent.name, session_id))]


def kinds(events: Iterable[Event]) -> list[str]:
    """What kinds of events these are."""
    return [str(type(event).__struct_config__.tag) for event in events if isinstance(event, KnownEvent)]


class Gate:
    """A tool that stays inside until it is opened."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.opened = asyncio.Event()
        self.runs = 0

    def tool(self, *, idempotent: bool = True) -> Any:
        """The tool `wait`."""

        @tool(risk="low", idempotent=idempotent)
        async def wait() -> str:
            """Wait at the gate."""
            self.runs += 1
            self.entered.set()
            await self.opened.wait()
            return "through"

        return wait
