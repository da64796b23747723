"""What a turn does about models that fail: retries, other models, rules alone."""

import asyncio
from pathlib import Path

import pytest

from emonk import Agent, tool
from emonk.errors import (
    ConfigError,
    InvalidConfig,
    MalformedOutput,
    MissingCredential,
    QuotaExhausted,
    RateLimited,
    Unavailable,
)
from emonk.events import Routed
from emonk.messages import ToolMessage
from emonk.models import Outcome
from emonk.observe.alerts import Alert, Alerts
from emonk.testing.clock import ManualClock
from emonk.testing.model import ScriptedModel, answer, call
from tests.agent.recovering import DOWN, EXACT, PARIS, agent_with, ask_over, models
from tests.agent.weather import CITIES, kinds, log_of, weather_agent


@pytest.fixture
def store(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'weather.db'}"


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


def test_a_worker_that_a_person_must_set_right_makes_way_for_the_lead_and_is_told_of(store: str) -> None:
    async def main() -> None:
        told: list[Alert] = []
        given = models(worker=[MissingCredential("the key was refused")], lead=["sunny"])
        async with agent_with(store, given, alerts=Alerts([told.append])) as agent:
            reply = await agent.process_message("Weather?", session_id="s")
            assert (reply.status, reply.text) == ("done", "sunny")
            routed = [one for one in await log_of(agent, "s") if isinstance(one, Routed)]
        assert [(one.role, one.phase) for one in routed] == [("worker", "work"), ("lead", "work")]
        assert "the key was refused" in routed[-1].reason
        assert [(alert.level, alert.agent) for alert in told] == [("critical", "weather")]

    asyncio.run(main())


def test_the_error_of_whoever_is_left_ends_the_turn_when_the_worker_is_not_set_up_either(store: str) -> None:
    async def main() -> None:
        lead = [ConfigError("gone", code="model_retired"), QuotaExhausted("used up")]
        given = models(worker=[MissingCredential("no key")] * 2, lead=lead)
        async with agent_with(store, given) as agent:
            reply = await agent.process_message("Weather?", session_id="s")
            assert (reply.status, reply.reason) == ("failed", "model_retired")
            reply = await agent.process_message("Weather?", session_id="s2")
            assert (reply.degraded, "no key" in reply.text, "used up" in reply.text) == (True, True, True)

    asyncio.run(main())


def test_a_request_that_the_worker_refuses_for_what_is_in_it_ends_the_turn(store: str) -> None:
    async def main() -> None:
        given = models(worker=[InvalidConfig("not this", code="blocked")], lead=["never asked"])
        async with agent_with(store, given) as agent:
            reply = await agent.process_message("Weather?", session_id="s")
            assert (reply.status, reply.reason) == ("failed", "blocked")

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


def test_an_answer_that_an_adapter_cannot_read_is_asked_for_again(store: str) -> None:
    async def main() -> None:
        agent, model = weather_agent([MalformedOutput("tool_use_failed", hint="write JSON"), "sunny"], store)
        async with agent:
            reply = await agent.process_message("Weather?", session_id="s")
            assert await agent.store.due("weather") == []
        assert reply.text == "sunny"
        assert "write JSON" in str(model.requests[-1].messages)

    asyncio.run(main())


@pytest.mark.parametrize("error", [ConnectionResetError("gone"), TimeoutError(), OSError("no route")], ids=repr)
def test_a_faulty_connection_that_an_adapter_lets_through_is_followed_by_the_fallback(
    store: str, error: Exception
) -> None:
    async def main() -> None:
        async with agent_with(store, models(lead=[error], fallback=["sunny"])) as agent:
            assert (await agent.process_message("Weather?", session_id="s")).text == "sunny"

    asyncio.run(main())


def test_a_lead_that_hangs_leaves_time_for_the_fallback(store: str) -> None:
    async def main() -> None:
        clock = ManualClock()

        async def hang(_: object) -> str:
            await clock.sleep(10_000)
            return "too late"

        async with agent_with(store, models(lead=[hang], fallback=["sunny"]), clock=clock) as agent:
            reply = await ask_over(clock, agent)
            assert reply.text == "sunny"
            assert agent.guards.of("models", "scripted:lead").breaker.status().failures == 1

    asyncio.run(main())


def test_alerts_that_were_given_stay_open_for_others(store: str) -> None:
    async def main() -> None:
        told: list[Alert] = []
        alerts = Alerts([told.append])
        for number in range(2):
            error = MissingCredential(f"refused {number}", code=f"code_{number}")
            async with agent_with(store, models(lead=[error]), alerts=alerts) as agent:
                await agent.process_message("Weather?")
        await alerts.aclose()
        assert len(told) == 2

    asyncio.run(main())


def test_the_reply_names_each_model_and_its_own_trouble(store: str) -> None:
    async def main() -> None:
        given = models(lead=[Unavailable("lead is down")], fallback=[QuotaExhausted("fallback has no quota")])
        async with agent_with(store, given) as agent:
            text = (await agent.process_message("Weather?", session_id="s")).text
            assert "scripted:lead could not answer: lead is down" in text
            assert "scripted:fallback could not answer: fallback has no quota" in text

    asyncio.run(main())


def test_two_models_of_one_name_have_guards_of_their_own(store: str) -> None:
    async def main() -> None:
        lead, fallback = ScriptedModel([RateLimited("later", retry_after=50)]), ScriptedModel(["sunny"])
        async with agent_with(store, {"lead": lead, "fallback": fallback}) as agent:
            assert (await agent.process_message("Weather?", session_id="s")).text == "sunny"

    asyncio.run(main())


def test_a_worker_that_cannot_be_used_is_said_at_start(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)

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
