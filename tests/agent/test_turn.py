"""What a user gets for a message, whatever the model and the tools do."""

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from emonk import Agent, Reply, tool
from emonk.costs import PriceOverride
from emonk.errors import InvalidArguments, InvalidConfig, MissingCredential, QuotaExhausted, Unavailable, UnknownPrice
from emonk.events import StepFailed, ToolReturned
from emonk.messages import ToolCall, ToolMessage
from emonk.models import Outcome
from emonk.records import Usage
from emonk.resilience.section import ComponentSection, ResilienceSection
from emonk.runtime.limits import Limits
from emonk.store.usage_protocol import UsageFilter
from emonk.testing.clock import ManualClock
from emonk.testing.model import ScriptedModel, answer, call
from tests.agent.weather import CITIES, Gate, get_weather, kinds, log_of, weather_agent

PARIS = call("get_weather", city="Paris")
ONE_TRY = ResilienceSection(models=ComponentSection(retries=0))


@pytest.fixture
def store(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'weather.db'}"


def ask(store: str, script: list[Any], **settings: Any) -> tuple[Reply, ScriptedModel, list[Any]]:
    """Send one message; the reply, the model and the log."""

    async def main() -> tuple[Reply, ScriptedModel, list[Any]]:
        agent, model = weather_agent(script, store, **settings)
        async with agent:
            reply = await agent.process_message("Weather in Paris?", session_id="s", user_id="ann")
            return reply, model, await log_of(agent, "s")

    return asyncio.run(main())


def results(model: ScriptedModel) -> list[Any]:
    """The tool results that the last request showed to the model."""
    message = model.requests[-1].messages[-1]
    assert isinstance(message, ToolMessage)
    return list(message.results)


def test_a_tool_call_is_run_and_its_result_answered(store: str) -> None:
    reply, model, log = ask(store, [PARIS, "It is sunny."])
    assert (reply.text, reply.status, reply.steps, reply.reason) == ("It is sunny.", "done", 2, "")
    assert reply.usage == Usage(20, 10)
    assert [one.content for one in results(model)] == ["sunny in Paris for 1 day(s)"]
    assert kinds(log) == ["user_message", "model_message", "tool_result", "model_message", "turn_finished"]
    assert model.requests[0].instructions == "Tell the weather."


def test_several_calls_of_one_step_run_at_the_same_time_and_answer_in_order(store: str) -> None:
    both = asyncio.Barrier(2)

    @tool(risk="low", idempotent=True)
    async def meet(who: str) -> str:
        """Wait for the other call."""
        await both.wait()
        return who

    _, model, _ = ask(store, [[call("meet", who="a"), call("meet", who="b")], "met"], tools=[meet])
    assert [one.content for one in results(model)] == ["a", "b"]


def test_bad_arguments_go_back_with_the_right_names_and_the_model_corrects_them(store: str) -> None:
    reply, model, _ = ask(store, [call("get_weather", citty="Paris"), PARIS, "sunny"])
    assert reply.status == "done"
    first = model.requests[1].messages[-1]
    assert isinstance(first, ToolMessage)
    assert first.results[0].error == "invalid_arguments"
    assert "city" in first.results[0].content
    assert CITIES == ["Paris"]


def test_an_unknown_tool_goes_back_with_the_closest_one(store: str) -> None:
    _, model, _ = ask(store, [call("get_wether", city="Paris"), "sorry"])
    (result,) = results(model)
    assert result.error == "unknown_tool"
    assert "did you mean get_weather?" in result.content


def test_arguments_that_are_no_object_go_back(store: str) -> None:
    _, model, _ = ask(store, [ToolCall("c1", "get_weather", {}, malformed='{"city": "Par'), "sorry"])
    (result,) = results(model)
    assert result.error == "invalid_arguments"
    assert "city, days" in result.content


def test_the_third_equal_failure_ends_the_turn_with_its_reason(store: str) -> None:
    reply, _, log = ask(store, [call("get_weather", town=1)] * 5)
    assert (reply.status, reply.reason, reply.steps) == ("failed", "invalid_arguments", 3)
    assert "get_weather failed 3 times" in reply.text
    assert kinds(log)[-1] == "turn_finished"


def test_equal_failures_within_one_step_count_once(store: str) -> None:
    bad = [call("nothing_here") for _ in range(4)]
    reply, _, _ = ask(store, [bad, "I see"])
    assert reply.status == "done"


def test_different_failures_do_not_end_the_turn(store: str) -> None:
    reply, _, _ = ask(store, [*(call(f"nothing_{n}") for n in range(4)), "done"])
    assert reply.status == "done"


def test_what_is_above_low_risk_is_denied_and_never_runs(store: str) -> None:
    reply, model, _ = ask(store, [call("book_flight", city="Paris"), "I may not"])
    (result,) = results(model)
    assert (result.error, CITIES, reply.status) == ("permission_denied", [], "done")


def test_the_exception_of_a_tool_is_told_to_the_model(store: str) -> None:
    _, model, _ = ask(store, [call("divide", number=1, by=0), "impossible"])
    (result,) = results(model)
    assert result.error == "tool_failed"
    assert "ZeroDivisionError" in result.content


def test_the_step_limit_ends_the_turn(store: str) -> None:
    endless = [call("get_weather", city=str(number)) for number in range(9)]
    reply, model, _ = ask(store, endless, limits=Limits(steps=3))
    assert (reply.status, reply.reason, reply.steps, len(model.requests)) == ("limit", "steps", 3, 3)


def test_the_limit_in_dollars_ends_the_turn_before_the_next_call(store: str) -> None:
    spent = answer(tool_calls=[PARIS], usage=Usage(1_000_000, 0))
    model = ScriptedModel([spent, spent], spec="gemini:gemini-2.0-flash")

    async def main() -> Reply:
        agent = Agent("weather", model, tools=[get_weather], store=store, limits=Limits(usd=Decimal("0.05")))
        async with agent:
            return await agent.process_message("Weather?")

    reply = asyncio.run(main())
    assert (reply.status, reply.reason, reply.steps, reply.cost_usd) == ("limit", "usd", 1, Decimal("0.1"))


def test_an_unpriced_model_has_an_unknown_cost_and_is_refused_with_a_budget(store: str) -> None:
    assert ask(store, ["hello"])[0].cost_usd is None
    with pytest.raises(UnknownPrice):
        ask(store + "2", ["never"], limits=Limits(usd=Decimal(1)))


def test_an_own_price_counts_in_a_turn_and_its_row_says_which(store: str) -> None:
    own = PriceOverride(model="openai:llama3", input=1, output=2)
    said = answer("hello", usage=Usage(1_000_000, 100_000))

    async def main() -> tuple[Reply, list[Any]]:
        model = ScriptedModel([said], spec="openai:llama3")
        async with Agent("local", model, store=store, prices=[own], limits=Limits(usd=Decimal(5))) as agent:
            reply = await agent.process_message("hi", session_id="s", user_id="ann")
            return reply, list(await agent.store.usage_rows(UsageFilter()))

    reply, rows = asyncio.run(main())
    assert reply.cost_usd == Decimal("1.2")
    assert [(row.cost_usd, row.price["source"], row.price["name"]) for row in rows] == [
        (Decimal("1.2"), "agent.yaml", "openai:llama3")
    ]


def test_the_time_limit_ends_the_turn_and_closes_its_calls(store: str) -> None:
    async def main() -> tuple[Reply, list[Any]]:
        clock, gate = ManualClock(), Gate()
        agent, _ = weather_agent([call("wait")], store, tools=[gate.tool()], limits=Limits(seconds=5), clock=clock)
        async with agent:
            turn = asyncio.create_task(agent.process_message("go", session_id="s"))
            await gate.entered.wait()
            await clock.advance(5)
            return await turn, await log_of(agent, "s")

    reply, log = asyncio.run(main())
    assert (reply.status, reply.reason) == ("limit", "seconds")
    assert [event.result.error for event in log if isinstance(event, ToolReturned)] == ["not_run"]


@pytest.mark.parametrize("outcome", [Outcome.MALFORMED, Outcome.EMPTY])
def test_an_unusable_answer_is_asked_for_once_more(store: str, outcome: Outcome) -> None:
    bad = answer(outcome=outcome, finish_reason="MALFORMED_FUNCTION_CALL")
    reply, _, log = ask(store, [bad, "now it works"])
    assert (reply.text, reply.status, reply.steps) == ("now it works", "done", 2)
    assert any(isinstance(event, StepFailed) for event in log)
    reply, _, _ = ask(store + "2", [bad, bad, "never asked for"])
    assert (reply.status, reply.reason, reply.steps) == ("failed", "malformed_output", 2)


def test_a_policy_block_is_final(store: str) -> None:
    reply, model, _ = ask(store, [answer(outcome=Outcome.BLOCKED, finish_reason="SAFETY"), "never asked for"])
    assert (reply.status, reply.reason, len(model.requests)) == ("failed", "blocked", 1)
    assert reply.text == "The provider declined to answer (SAFETY)."


def test_a_refusal_is_told_in_its_own_words(store: str) -> None:
    reply, _, _ = ask(store, [answer("I cannot help with that.", outcome=Outcome.BLOCKED, finish_reason="stop")])
    assert reply.text == "The provider declined to answer (stop): I cannot help with that."


def test_a_truncated_answer_is_shown_as_one(store: str) -> None:
    reply, _, _ = ask(store, [answer("half a", outcome=Outcome.TRUNCATED, finish_reason="MAX_TOKENS")])
    assert (reply.text, reply.status, reply.reason) == ("half a", "limit", "max_output_tokens")


@pytest.mark.parametrize("error", [Unavailable("down"), QuotaExhausted("used up"), MissingCredential("refused")])
def test_a_model_that_fails_is_a_failed_turn_and_the_session_goes_on(store: str, error: Any) -> None:
    async def main() -> None:
        agent, model = weather_agent([error, "back again"], store, resilience=ONE_TRY)
        async with agent:
            reply = await agent.process_message("hello?", session_id="s")
            assert (reply.status, reply.reason) == ("failed", error.code)
            assert error.message in reply.text
            assert (await agent.process_message("and now?", session_id="s")).text == "back again"
        assert [type(message).__name__ for message in model.requests[-1].messages] == [
            "UserMessage",
            "AssistantMessage",
            "UserMessage",
        ]

    asyncio.run(main())


def test_a_bug_inside_is_a_failed_turn_with_a_trace_not_an_exception(
    store: str, caplog: pytest.LogCaptureFixture
) -> None:
    reply, _, _ = ask(store, [RuntimeError("a bug in an adapter")])
    assert (reply.status, reply.reason) == ("failed", "internal_error")
    assert reply.trace_id in reply.text
    assert "a bug in an adapter" in caplog.text


class Panic(BaseException):
    """As extensions in other languages raise it."""


class Mute(Exception):
    """It cannot even be printed."""

    def __str__(self) -> str:
        raise RuntimeError("no words")

    __repr__ = __str__


@pytest.mark.parametrize(
    "error", [Panic("index out of bounds"), SystemExit(3), Mute()], ids=lambda error: type(error).__name__
)
def test_whatever_a_model_raises_the_user_gets_a_reply(store: str, error: BaseException) -> None:
    def fail(_: object) -> None:
        raise error

    async def main() -> None:
        async with Agent("weather", ScriptedModel(fail), store=store) as agent:
            reply = await asyncio.wait_for(agent.process_message("hello?", session_id="s"), 20)
            assert (reply.status, reply.reason) == ("failed", "internal_error")
            assert await agent.resume("s") is None

    asyncio.run(main())


def test_a_message_that_cannot_be_kept_is_refused(store: str) -> None:
    async def main() -> None:
        agent, _ = weather_agent([], store)
        async with agent:
            for text in (" \n", "lone surrogate \ud800"):
                with pytest.raises(InvalidArguments):
                    await agent.process_message(text)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"name": "no spaces"}, "cannot be an agent's name"),
        ({"tools": [get_weather, get_weather]}, "two tools are named 'get_weather'"),
        ({"tools": [len]}, "is not a tool"),
        ({"skills": "nowhere"}, "is not a skill"),
        ({"limits": {"steps": 3}}, "limits is"),
        ({"name": None}, "cannot be an agent's name"),
        ({"tools": get_weather}, "tools is"),
        ({"skills": None}, "skills is"),
        ({"alerts": {"every": 5}}, "alerts is"),
        ({"context": {"budget": 5}}, "context is"),
        ({"expire_after": 90}, "expire_after is 90"),
        ({"resilience": {"models": {}}}, "resilience is"),
        ({"model": None}, "name no lead"),
        ({"model": {"lead": 3}}, "is no model"),
        ({"model": {"lead": "offline", "boss": "offline"}}, "no role"),
        ({"model": {"worker": "offline"}}, "no lead"),
    ],
)
def test_an_agent_that_cannot_be_is_refused_at_once(settings: dict[str, Any], said: str) -> None:
    make: Any = Agent
    with pytest.raises(InvalidConfig, match=said):
        make(**{"name": "weather", "model": "offline", **settings})


@pytest.mark.parametrize(
    "limits",
    [
        {"steps": 0},
        {"steps": 2.5},
        {"steps": True},
        {"steps": "3"},
        {"steps": None},
        {"seconds": -1.0},
        {"seconds": float("nan")},
        pytest.param({"seconds": 10**400}, id="an int that no float holds"),
        {"seconds": "60"},
        {"seconds": None},
        {"usd": Decimal(0)},
        {"usd": Decimal("sNaN")},
        {"usd": True},
        {"usd": "0.5"},
    ],
    ids=repr,
)
def test_a_limit_is_above_zero(limits: dict[str, Any]) -> None:
    with pytest.raises(InvalidConfig, match=rf"limits\.{next(iter(limits))} is"):
        Limits(**limits)


def test_a_limit_may_be_as_high_as_one_likes() -> None:
    limits = Limits(steps=10**30, seconds=1e300, usd=Decimal("1e30"))
    assert limits.usd == Decimal("1e30")
    assert Limits(usd=None).usd is None


def test_what_can_never_run_is_said_at_the_start(store: str) -> None:
    agent, _ = weather_agent([], store)
    assert [line for line in agent.notices if "book_flight has high risk (what declares none counts as high)" in line]


def test_a_tool_that_no_model_can_call_is_found_at_the_start(store: str) -> None:
    @tool(risk="low")
    def strange(*args: int) -> str:
        """Take whatever comes."""
        return str(args)

    async def main() -> None:
        agent, _ = weather_agent([], store, tools=[strange])
        with pytest.raises(InvalidConfig, match="strange"):
            await agent.start()

    asyncio.run(main())
