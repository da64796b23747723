"""What a turn does about tools that fail."""

import asyncio
from pathlib import Path

import pytest

from emonk import Context, tool
from emonk.errors import (
    AgentError,
    InfraError,
    MissingCredential,
    OutcomeUnknown,
    Unavailable,
)
from emonk.observe.alerts import Alert, Alerts
from emonk.resilience.breaker_events import CircuitState
from emonk.testing.clock import ManualClock
from emonk.testing.model import call
from tests.agent.recovering import PARIS, agent_with, ask_over, last_result, models
from tests.agent.weather import CITIES, Gate, weather_agent


@pytest.fixture
def store(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'weather.db'}"


def test_many_different_failures_end_a_turn(store: str) -> None:
    calls = [call("get_weather", city="Paris", wrong=number) for number in range(20)]

    async def main() -> None:
        agent, model = weather_agent([*calls], store)
        async with agent:
            reply = await agent.process_message("Weather?", session_id="s")
        assert (reply.status, len(model.requests)) == ("failed", 3)  # the same three times: the name of the argument

    asyncio.run(main())


def test_ten_failures_of_any_kind_end_a_turn(store: str) -> None:
    @tool(risk="low", idempotent=True)
    async def guess(number: int) -> str:
        """Guess a number."""
        raise AgentError(f"{number} is wrong")

    async def main() -> None:
        script = [call("guess", number=number) for number in range(20)]
        agent, model = weather_agent(script, store, tools=[guess])
        async with agent:
            reply = await agent.process_message("Guess!", session_id="s")
        assert (reply.status, reply.reason, len(model.requests)) == ("failed", "too_many_failures", 10)

    asyncio.run(main())


def test_a_tool_of_an_open_circuit_says_until_when(store: str) -> None:
    async def main() -> None:
        agent, model = weather_agent([PARIS, "not now"], store)
        async with agent:
            agent.guards.of("skills", "get_weather").breaker.open(60)
            await agent.process_message("Weather?", session_id="s")
        result = last_result(model)
        assert result.error == "circuit_open"
        assert "get_weather is unavailable until" in result.content
        assert "do not call it again" in result.content
        assert not CITIES

    asyncio.run(main())


def test_only_what_is_idempotent_is_tried_once_more(store: str) -> None:
    tries: list[str] = []

    @tool(risk="low", idempotent=True)
    async def look(city: str) -> str:
        """Look."""
        tries.append("look")
        raise Unavailable("away")

    @tool(risk="low")
    async def write(city: str) -> str:
        """Write."""
        tries.append("write")
        raise Unavailable("away")

    async def main() -> None:
        script = [[call("look", city="Paris"), call("write", city="Paris")], "no luck"]
        agent, _ = weather_agent(script, store, tools=[look, write])
        async with agent:
            await agent.process_message("Go!", session_id="s")
        assert sorted(tries) == ["look", "look", "write"]

    asyncio.run(main())


@pytest.mark.parametrize(
    "error", [ConnectionResetError("gone"), TimeoutError(), OutcomeUnknown("cut off")], ids=["reset", "timeout", "told"]
)
def test_a_call_that_may_have_acted_is_not_repeated_in_its_turn(store: str, error: Exception) -> None:
    acted: list[str] = []

    @tool(risk="low")
    async def refund(order: str) -> str:
        """Give money back."""
        acted.append(order)
        raise error

    async def main() -> None:
        script = [call("refund", order="7"), call("refund", order="7"), call("refund", order="8"), "I do not know"]
        agent, model = weather_agent(script, store, tools=[refund])
        async with agent:
            reply = await agent.process_message("Refund 7!", session_id="s")
        assert reply.status == "done"
        assert acted == ["7", "8"]
        assert last_result(model).error == "outcome_unknown"

    asyncio.run(main())


def test_defects_of_a_tool_do_not_open_its_circuit(store: str) -> None:
    @tool(risk="low", idempotent=True)
    async def divide(by: int) -> float:
        """Divide."""
        return 1 / by

    async def main() -> None:
        agent, _ = weather_agent([[call("divide", by=0)] * 16, "no"], store, tools=[divide])
        async with agent:
            await agent.process_message("Go!", session_id="s")
            assert agent.guards.of("skills", "divide").breaker.state is CircuitState.CLOSED

    asyncio.run(main())


def test_a_tool_guards_its_own_calls_to_the_outside(store: str) -> None:
    calls: list[int] = []

    async def fetch(city: str) -> str:
        calls.append(1)
        if len(calls) < 3:
            raise Unavailable("busy")
        return f"sunny in {city}"

    @tool(risk="low", idempotent=True)
    async def weather(ctx: Context, city: str) -> str:
        """The weather of a city."""
        return await ctx.guard("weather.example").call(fetch, city)

    async def main() -> None:
        clock = ManualClock()
        agent, model = weather_agent([call("weather", city="Paris"), "done"], store, tools=[weather], clock=clock)
        async with agent:
            assert (await ask_over(clock, agent)).status == "done"
            assert "weather.example" in {status.name for status in agent.guards.status()}
        assert last_result(model).content == "sunny in Paris"
        assert len(calls) == 3

    asyncio.run(main())


def test_a_setting_that_a_tool_lacks_is_told_to_an_administrator_and_as_final_to_the_model(store: str) -> None:
    @tool(risk="low", idempotent=True)
    async def search(words: str) -> str:
        """Search."""
        raise MissingCredential("no key for the search", hint="set SEARCH_KEY")

    async def main() -> None:
        told: list[Alert] = []
        alerts = Alerts([told.append])
        agent, model = weather_agent([call("search", words="x"), "no"], store, tools=[search], alerts=alerts)
        async with agent:
            await agent.process_message("Search!", session_id="s")
        await alerts.aclose()
        assert "do not call it again" in last_result(model).content
        assert [(alert.level, alert.cause) for alert in told] == [("critical", "missing_credential search")]

    asyncio.run(main())


@pytest.mark.parametrize("error", [InfraError("x"), Unavailable("x", code="unreachable"), ValueError("x")], ids=repr)
def test_failures_that_no_model_could_avoid_do_not_bring_in_the_lead(store: str, error: Exception) -> None:
    @tool(risk="low", idempotent=True)
    async def fetch(page: int) -> str:
        """Fetch."""
        raise error

    async def main() -> None:
        given = models(worker=[call("fetch", page=1), call("fetch", page=2), "no luck"], lead=["never asked"])
        async with agent_with(store, given, tools=[fetch]) as agent:
            assert (await agent.process_message("Fetch!", session_id="s")).text == "no luck"

    asyncio.run(main())


def test_what_a_crash_cut_off_is_not_repeated_by_the_turn_that_goes_on(store: str) -> None:
    async def main() -> None:
        gate = Gate()
        tools = [gate.tool(idempotent=False)]
        first, _ = weather_agent([call("wait"), "never asked"], store, tools=tools)
        async with first:
            turn = asyncio.create_task(first.process_message("Wait!", session_id="s", message_id="m1"))
            await gate.entered.wait()
        await asyncio.gather(turn, return_exceptions=True)
        second, model = weather_agent([call("wait"), "I do not know"], store, tools=tools)
        async with second:
            await second.resume("s")
        assert gate.runs == 1
        assert last_result(model).error == "outcome_unknown"

    asyncio.run(main())


def test_what_no_task_can_keep_to_itself_still_ends_the_callers_wait(store: str) -> None:
    @tool(risk="low", idempotent=True)
    async def leave() -> str:
        """Raise what asyncio uses for itself."""
        raise GeneratorExit

    async def main() -> None:
        agent, _ = weather_agent([call("leave"), "never asked"], store, tools=[leave])
        async with agent:
            with pytest.raises(Unavailable, match="something went wrong"):
                await asyncio.wait_for(agent.process_message("Go!", session_id="s"), 10)

    asyncio.run(main())
