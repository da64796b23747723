"""What a turn does about faults: retries, other models, rules alone, and messages that wait."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from emonk import Agent, Context, tool
from emonk.errors import (
    AgentError,
    InvalidConfig,
    MissingCredential,
    OutcomeUnknown,
    QuotaExhausted,
    RateLimited,
    Unavailable,
)
from emonk.messages import ToolMessage, UserMessage, assistant, user
from emonk.models import Outcome
from emonk.observe.alerts import Alert, Alerts
from emonk.records import Reply, SessionKey
from emonk.resilience.breaker_events import CircuitState
from emonk.resilience.recovery import execute_with_recovery
from emonk.resilience.section import ComponentSection, ResilienceSection
from emonk.runtime.asking import Postponed
from emonk.testing.clock import ManualClock
from emonk.testing.model import ScriptedModel, answer, call
from emonk.turns import Pump
from tests.agent.weather import CITIES, get_weather, kinds, log_of, weather_agent

PARIS = call("get_weather", city="Paris")
DOWN = Unavailable("the provider is down")
ONE_TRY = ResilienceSection(models=ComponentSection(retries=0))
EXACT = ResilienceSection(models=ComponentSection(jitter=False))


@pytest.fixture
def store(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'weather.db'}"


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


def test_a_model_that_fails_for_a_while_is_asked_again(store: str) -> None:
    async def main() -> None:
        clock = ManualClock()
        agent, model = weather_agent([DOWN, DOWN, "sunny"], store, clock=clock, resilience=EXACT)
        async with agent:
            reply = await ask_over(clock, agent)
        assert (reply.text, reply.status, len(model.requests)) == ("sunny", "done", 3)
        assert [seconds for seconds in clock.slept if seconds in {1.0, 2.0}][:2] == [1.0, 2.0]

    asyncio.run(main())


def test_a_hint_is_kept_before_a_retry(store: str) -> None:
    async def main() -> None:
        clock = ManualClock()
        agent, _ = weather_agent([RateLimited("slow down", retry_after=17), "sunny"], store, clock=clock)
        async with agent:
            assert (await ask_over(clock, agent)).text == "sunny"
        assert 17 in clock.slept

    asyncio.run(main())


@pytest.mark.parametrize("error", [DOWN, QuotaExhausted("used up for today")], ids=["outage", "quota"])
def test_the_fallback_answers_when_the_lead_cannot(store: str, error: Exception) -> None:
    async def main() -> None:
        given = models(lead=[error], fallback=["sunny"])
        async with agent_with(store, given) as agent:
            reply = await agent.process_message("Weather?", session_id="s")
            assert (reply.text, reply.status, reply.degraded) == ("sunny", "done", False)

    asyncio.run(main())


def test_a_model_whose_circuit_is_open_is_not_asked(store: str) -> None:
    async def main() -> None:
        given = models(lead=["never asked"], fallback=["sunny"])
        async with agent_with(store, given) as agent:
            agent.guards.of("models", "scripted:lead").breaker.open(60)
            assert (await agent.process_message("Weather?", session_id="s")).text == "sunny"
            assert not given["lead"].requests

    asyncio.run(main())


def test_a_wrong_key_is_told_at_once_to_the_user_and_to_an_administrator(store: str) -> None:
    async def main() -> None:
        told: list[Alert] = []
        given = models(lead=[MissingCredential("the key was refused"), "never asked"], fallback=["never asked"])
        async with agent_with(store, given, alerts=Alerts([told.append])) as agent:
            for _ in range(2):
                reply = await agent.process_message("Weather?", session_id="s")
                assert (reply.status, reply.reason) == ("failed", "missing_credential")
                given["lead"].requests.clear()
            assert not given["fallback"].requests
        assert [(alert.level, alert.agent) for alert in told] == [("critical", "weather")]
        assert "the key was refused" in told[0].message

    asyncio.run(main())


def test_the_worker_works_and_the_lead_takes_over_after_two_failures(store: str) -> None:
    async def main() -> None:
        wrong = [call("get_weather", town="Paris"), call("get_wether", city="Paris")]
        given = models(worker=wrong, lead=[PARIS, "sunny"])
        async with agent_with(store, given) as agent:
            reply = await agent.process_message("Weather?", session_id="s")
        assert (reply.text, reply.steps) == ("sunny", 4)
        assert len(given["worker"].requests) == 2
        last = given["lead"].requests[0].messages[-1]
        assert isinstance(last, ToolMessage)
        assert "did you mean get_weather?" in last.results[0].content

    asyncio.run(main())


def test_the_lead_is_asked_when_the_worker_gives_no_usable_answer_twice(store: str) -> None:
    async def main() -> None:
        broken = answer(outcome=Outcome.MALFORMED, finish_reason="MALFORMED_FUNCTION_CALL")
        given = models(worker=[broken, broken], lead=["sunny"])
        async with agent_with(store, given) as agent:
            assert (await agent.process_message("Weather?", session_id="s")).text == "sunny"

    asyncio.run(main())


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


def test_without_any_model_what_only_reads_still_works_and_the_reply_says_so(store: str) -> None:
    @tool(risk="low", idempotent=True, triggers=["weather in {city}"])
    async def weather(city: str) -> str:
        """The weather of a city."""
        return f"Sunny in {city}."

    async def main() -> None:
        given = models(lead=[DOWN], fallback=[DOWN])
        async with agent_with(store, given, tools=[weather]) as agent:
            reply = await agent.process_message("weather in Paris", session_id="s")
            assert (reply.status, reply.reason, reply.degraded) == ("done", "degraded", True)
            assert "scripted:lead could not answer: the provider is down" in reply.text
            assert "Sunny in Paris." in reply.text
            assert "No language model can be reached" in reply.text
            assert kinds(await log_of(agent, "s")).count("step_failed") == 2

    asyncio.run(main())


def test_without_any_model_nothing_is_changed_by_rules(store: str) -> None:
    @tool(risk="low", triggers=["note {text}"])
    async def note(text: str) -> str:
        """Write something down: twice is not the same as once."""
        CITIES.append(text)
        return "noted"

    async def main() -> None:
        CITIES.clear()
        async with agent_with(store, models(lead=[DOWN]), tools=[note]) as agent:
            reply = await agent.process_message("note milk", session_id="s")
        assert (reply.status, reply.reason, reply.degraded) == ("failed", "unavailable", True)
        assert not CITIES

    asyncio.run(main())


def test_results_that_are_there_are_shown_when_the_model_is_lost_on_the_way(store: str) -> None:
    async def main() -> None:
        async with agent_with(store, models(lead=[PARIS, DOWN])) as agent:
            reply = await agent.process_message("Weather?", session_id="s")
        assert (reply.status, reply.degraded) == ("done", True)
        assert "sunny in Paris" in reply.text

    asyncio.run(main())


def test_a_message_can_wait_until_a_model_is_back(store: str) -> None:
    async def main() -> None:
        given = models(lead=[DOWN, "sunny at last"])
        async with agent_with(store, given) as agent:
            assert await agent.enqueue("Weather?", session_id="s", message_id="m1")
            pump = Pump([agent])
            assert await pump.once() == 1
            assert await agent.store.reply(key(agent), "m1") is None
            await agent.resume("s")
            reply = await agent.store.reply(key(agent), "m1")
            assert reply is not None
            assert (reply.text, reply.degraded) == ("sunny at last", False)
            assert kinds(await log_of(agent, "s")) == ["user_message", "model_message", "turn_finished"]

    asyncio.run(main())


def test_a_message_behind_one_that_waits_is_kept(store: str) -> None:
    async def main() -> None:
        given = models(lead=[DOWN, "the first", "the second"])
        async with agent_with(store, given) as agent:
            await agent.enqueue("first?", session_id="s", message_id="m1")
            with pytest.raises(Postponed, match="waits for a language model") as raised:
                await agent.process_message("second?", session_id="s", message_id="m2")
            assert "kept" in raised.value.hint
            reply = await agent.process_message("second?", session_id="s", message_id="m2")
            assert reply.text == "the second"

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


def test_recovery_of_a_task_shows_the_model_its_mistake_and_names_the_lead(store: str) -> None:
    async def main() -> None:
        blocked = answer(outcome=Outcome.BLOCKED, finish_reason="SAFETY")
        given = models(worker=[blocked, blocked], lead=["sunny"])
        async with agent_with(store, given) as agent:
            reply = await execute_with_recovery(agent, {"input": "Weather?"})
        assert reply.text == "sunny"
        asked = given["lead"].requests[0].messages[0]
        assert isinstance(asked, UserMessage)
        assert "declined to answer" in asked.text

    asyncio.run(main())


def test_a_worker_that_cannot_be_used_is_said_at_start(store: str) -> None:
    async def main() -> None:
        async with Agent("weather", {"lead": "offline", "fallback": "openai:gpt-5"}, store=store) as agent:
            assert any("fallback model openai:gpt-5 cannot be used" in line for line in agent.notices)

    asyncio.run(main())


def test_a_file_tunes_retries_breakers_and_alerts(tmp_path: Path) -> None:
    file = tmp_path / "agent.yaml"
    file.write_text(
        "agent:\n  name: a\n  llm: {model: offline}\n"
        "  resilience:\n    models: {retries: 2, breaker: {open_for: 5}}\n"
        "  alerts:\n    every: 60\n    webhooks:\n      - {kind: slack, url: 'http://127.0.0.1:1/services/T/B/x'}\n"
    )
    agent = Agent.from_file(file)
    assert agent.guards.of("models", "offline").status().name == "offline"
    for broken, said in (
        ("models: {retries: -1}", "resilience.models"),
        ("modles: {}", "did you mean models?"),
        ("models: {breaker: {failure_rate: 2}}", "resilience.models.breaker"),
    ):
        file.write_text(f"agent:\n  name: a\n  llm: {{model: offline}}\n  resilience:\n    {broken}\n")
        with pytest.raises(InvalidConfig, match=said):
            Agent.from_file(file)


def key(agent: Agent) -> SessionKey:
    return SessionKey(agent.name, "s")


def last_result(model: ScriptedModel) -> Any:
    message = model.requests[-1].messages[-1]
    assert isinstance(message, ToolMessage)
    return message.results[-1]
