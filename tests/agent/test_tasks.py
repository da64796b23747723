"""Tasks: what a program asks of an agent, and how often."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from emonk import tool
from emonk.errors import (
    ConfigError,
    EmonkError,
    InvalidConfig,
    MissingCredential,
    Unavailable,
)
from emonk.messages import assistant, user
from emonk.models import Outcome
from emonk.resilience.recovery import execute_with_recovery
from emonk.runtime.limits import Limits
from emonk.testing.clock import ManualClock
from emonk.testing.model import answer, call
from emonk.turns import Pump
from tests.agent.recovering import DOWN, EXACT, ONE_TRY, PARIS, agent_with, models
from tests.agent.weather import Gate, weather_agent


@pytest.fixture
def store(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'weather.db'}"


def test_a_task_gets_its_context_and_comes_to_a_reply(store: str) -> None:
    async def main() -> None:
        agent, model = weather_agent(["sunny"], store)
        context = [user("I am in Paris."), assistant("Noted."), {"role": "system", "content": "Be brief."}]
        async with agent:
            reply = await agent.execute({"input": "Weather?", "context": context})
        assert reply.text == "sunny"
        asked = model.requests[0].messages[0]
        assert asked == user("[user] I am in Paris.\n\n[assistant] Noted.\n\n[system] Be brief.\n\nWeather?")

    asyncio.run(main())


@pytest.mark.parametrize(
    ("error", "kind"), [(DOWN, Unavailable), (MissingCredential("refused"), MissingCredential)], ids=["outage", "key"]
)
def test_a_task_that_fails_raises_the_kind_of_its_reason(store: str, error: Exception, kind: type[Exception]) -> None:
    async def main() -> None:
        agent, _ = weather_agent([error], store, resilience=ONE_TRY)
        async with agent:
            with pytest.raises(kind):
                await agent.execute({"input": "Weather?"})

    asyncio.run(main())


@pytest.mark.parametrize(
    "task",
    [
        None,
        {},
        {"input": " "},
        {"input": 3},
        {"input": "x", "context": [3]},
        {"input": "x", "context": 3},
        {"input": "x", "context": "what was said"},
        {"input": "x", "model": "boss"},
        {"input": "x", "model": ["lead"]},
        {"input": "x", "session_id": 3},
        {"input": "x", "user_id": ["ann"]},
    ],
)
def test_a_task_that_cannot_be_understood_is_refused(store: str, task: dict[str, Any]) -> None:
    async def main() -> None:
        agent, _ = weather_agent(["never asked"], store)
        async with agent:
            with pytest.raises(InvalidConfig):
                await agent.execute(task)

    asyncio.run(main())


def test_recovery_of_a_task_shows_the_model_its_mistake(store: str) -> None:
    async def main() -> None:
        wrong = call("get_weather", town="Paris")
        agent, model = weather_agent([wrong, wrong, wrong, "sunny"], store)
        async with agent:
            reply = await execute_with_recovery(agent, {"input": "Weather?"})
        assert reply.text == "sunny"
        asked = model.requests[-1].messages
        assert "failed 3 times the same way" in str(asked)

    asyncio.run(main())


ENDS: list[tuple[str, list[Any], dict[str, Any]]] = [
    ("blocked", [answer(outcome=Outcome.BLOCKED, finish_reason="SAFETY")], {}),
    ("context_overflow", [InvalidConfig("too long", code="context_overflow")], {}),
    ("model_retired", [ConfigError("gone", code="model_retired")], {}),
    ("internal_error", [RuntimeError("a bug")], {}),
    ("steps", [PARIS, "too late"], {"limits": Limits(steps=1)}),
    ("max_output_tokens", [answer("half", outcome=Outcome.TRUNCATED, finish_reason="MAX_TOKENS")], {}),
]


@pytest.mark.parametrize(("reason", "script", "settings"), ENDS, ids=[end[0] for end in ENDS])
def test_a_task_is_not_tried_again_when_that_makes_no_sense(
    store: str, reason: str, script: list[Any], settings: dict[str, Any]
) -> None:
    async def main() -> None:
        agent, model = weather_agent([*script, *["never asked"] * 5], store, **settings)
        async with agent:
            with pytest.raises(EmonkError) as raised:
                await execute_with_recovery(agent, {"input": "Weather?"}, jitter=False)
        assert raised.value.code == reason
        assert len(model.requests) == len([one for one in script if one != "too late"])

    asyncio.run(main())


def test_a_cancelled_task_is_not_run_again(store: str) -> None:
    async def main() -> None:
        gate = Gate()
        agent, _ = weather_agent([call("wait"), "never asked"], store, tools=[gate.tool()])
        async with agent:
            task = asyncio.create_task(execute_with_recovery(agent, {"input": "Wait!", "session_id": "s"}))
            await gate.entered.wait()
            assert await agent.cancel("s")
            with pytest.raises(EmonkError, match="Cancelled"):
                await task
        assert gate.runs == 1

    asyncio.run(main())


def test_requests_of_a_task_do_not_multiply_where_the_guard_has_retried(store: str) -> None:
    async def main() -> None:
        clock = ManualClock()
        unreachable = Unavailable("refused", code="unreachable")
        agent, model = weather_agent([unreachable] * 30, store, clock=clock, resilience=EXACT)
        async with agent:
            task = asyncio.create_task(execute_with_recovery(agent, {"input": "Weather?"}, clock=clock))
            while not task.done():
                await (clock.advance(1) if clock.sleepers else asyncio.sleep(0))
            with pytest.raises(Unavailable):
                await task
        assert len(model.requests) == 6

    asyncio.run(main())


def test_what_an_attempt_left_unfinished_is_gone_on_with_and_not_run_twice(store: str) -> None:
    """The store fails after the message was accepted; the pump and the next attempt meet in one message."""
    posted: list[str] = []

    @tool(risk="low")
    async def post(text: str) -> str:
        """Post something."""
        posted.append(text)
        return "posted"

    async def main() -> None:
        given = models(lead=[call("post", text="hi"), "done"])
        async with agent_with(store, given, tools=[post]) as agent:
            task = {"input": "Post hi!", "message_id": "t1"}
            first = asyncio.create_task(agent.execute(task))
            second = asyncio.create_task(agent.execute(task))
            assert (await first) == (await second) == (await agent.execute(task))
            assert await Pump([agent]).once() == 0
        assert posted == ["hi"]

    asyncio.run(main())
