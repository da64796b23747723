"""What is said of models that do not answer."""

import asyncio
from pathlib import Path

import pytest

from emonk import Agent
from emonk.errors import Unavailable
from emonk.resilience.section import BreakerSection, ComponentSection, ResilienceSection
from emonk.runtime.progress import ModelRetry
from emonk.testing.clock import ManualClock
from emonk.testing.model import ScriptedModel

DOWN = Unavailable("cannot reach it")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (39.5, "unavailable until 15:07:20 UTC, for another 40 s"),
        (3600.0, "unavailable until 16:06:40 UTC, for another 60 min"),
        (82_000.0, "unavailable until 13:53:20 UTC, for another 23 h"),
        (1e6, "unavailable until 2025-06-27 04:53 UTC, for another 12 days"),
        (1e30, "unavailable until 9999-12-31 23:59 UTC, for another year or longer"),
    ],
)
def test_a_model_that_is_left_alone_is_told_with_when_and_how_long(tmp_path: Path, seconds: float, said: str) -> None:
    async def main() -> None:
        long = ResilienceSection(
            models=ComponentSection(breaker=BreakerSection(open_for=seconds, max_open_for=seconds))
        )
        model, store = ScriptedModel(["never asked"]), f"sqlite:///{tmp_path / 'a.db'}"
        async with Agent("a", model, store=store, resilience=long, clock=ManualClock()) as agent:
            agent.guards.of("models", "scripted").breaker.open()
            assert said in (await agent.process_message("hi")).text

    asyncio.run(main())


def test_a_retry_is_told_with_its_news_first(tmp_path: Path) -> None:
    async def main() -> list[str]:
        once = ResilienceSection(models=ComponentSection(retries=1, first_delay=0))
        models = {"lead": ScriptedModel([DOWN, DOWN]), "fallback": ScriptedModel(["here"], spec="other")}
        async with Agent("a", models, store=f"sqlite:///{tmp_path / 'a.db'}", resilience=once) as agent:
            return [event.text async for event in agent.stream("hi") if isinstance(event, ModelRetry)]

    assert asyncio.run(main()) == [
        "asking scripted again (1): cannot reach it",
        "no answer from scripted: cannot reach it",
    ]
