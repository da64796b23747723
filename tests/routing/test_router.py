"""What `MultiModelRouter` does with a task, with models that answer from a script."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest

from emonk import MultiModelRouter, TaskComplexity
from emonk.errors import (
    CircuitOpen,
    DeadlineExceeded,
    InvalidConfig,
    MalformedOutput,
    MissingCredential,
    QuotaExhausted,
    Unavailable,
)
from emonk.messages import assistant, user
from emonk.models import Outcome
from emonk.models.protocol import ModelRequest, ToolSchema
from emonk.resilience.section import ComponentSection, ResilienceSection
from emonk.routing.section import RoutingSection
from emonk.testing.clock import ManualClock
from emonk.testing.model import ScriptedModel, answer, call

T = TypeVar("T")

DOWN = Unavailable("it is down")
ONE_TRY = ResilienceSection(models=ComponentSection(retries=0))
BROKEN = answer(outcome=Outcome.MALFORMED, finish_reason="MALFORMED_FUNCTION_CALL")
WEATHER = ToolSchema("get_weather", "The weather.", {"type": "object", "properties": {"city": {"type": "string"}}})


def router_of(clock: ManualClock | None = None, **scripts: Any) -> tuple[MultiModelRouter, dict[str, ScriptedModel]]:
    settings = {key: scripts.pop(key) for key in ("section", "classifier", "seconds") if key in scripts}
    models = {role: ScriptedModel(script, spec=f"scripted:{role}") for role, script in scripts.items()}
    return MultiModelRouter(models, resilience=ONE_TRY, clock=clock or ManualClock(), **settings), models


def over(clock: ManualClock, work: Callable[[], Awaitable[T]]) -> T:
    """The result, however long it takes on the clock."""

    async def main() -> T:
        task = asyncio.ensure_future(work())
        while not task.done():
            if clock.sleepers:
                await clock.advance(0.5)
            else:
                await asyncio.sleep(0)
        return await task

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("complexity", "by"), [("simple", "worker"), ("moderate", "worker"), (TaskComplexity.COMPLEX, "lead")]
)
def test_a_task_is_done_by_the_model_that_is_good_enough(complexity: str, by: str) -> None:
    router, _ = router_of(lead=["by the lead"], worker=["by the worker"], fallback=["by the fallback"])
    response = asyncio.run(router.route({"input": "hello", "complexity": complexity}))
    decision = router.last_decision
    assert response.text == f"by the {by}"
    assert decision is not None
    assert (decision.complexity, decision.model, decision.role) == (complexity, f"scripted:{by}", by)
    assert decision.reason == "the task says so"
    assert [(one.role, one.error) for one in decision.attempts] == [(by, "")]


@pytest.mark.parametrize(
    "error",
    [DOWN, QuotaExhausted("used up"), MissingCredential("the key was refused"), RuntimeError("a bug"), TimeoutError()],
    ids=repr,
)
def test_the_lead_does_what_the_worker_fails_at(error: Exception) -> None:
    router, _ = router_of(lead=["by the lead"], worker=[error])
    assert asyncio.run(router.route({"input": "hello"})).text == "by the lead"
    decision = router.last_decision
    assert decision is not None
    assert [one.role for one in decision.attempts] == ["worker", "lead"]
    assert decision.attempts[0].error


def test_the_fallback_does_what_the_lead_cannot() -> None:
    router, _ = router_of(lead=[DOWN], fallback=["by the fallback"])
    assert asyncio.run(router.route({"input": "hello", "complexity": "complex"})).text == "by the fallback"


def test_the_worker_does_what_is_complex_when_nobody_else_can() -> None:
    router, _ = router_of(lead=[DOWN], fallback=[DOWN], worker=["by the worker"])
    assert asyncio.run(router.route({"input": "hello", "complexity": "complex"})).text == "by the worker"


def test_who_cannot_be_called_is_passed_over() -> None:
    router, models = router_of(lead=["by the lead"], worker=["never asked"])
    router.guards.of("models", "scripted:worker").breaker.open(60)
    assert asyncio.run(router.route("hello")).text == "by the lead"
    assert not models["worker"].requests


def test_a_worker_that_takes_too_long_for_a_moderate_task_is_cut_off_and_the_lead_answers() -> None:
    clock = ManualClock()

    async def slow(_: ModelRequest) -> str:
        await clock.sleep(100)
        return "too late"

    router, _ = router_of(clock, lead=["by the lead"], worker=[slow])
    assert over(clock, lambda: router.route({"input": "hello", "steps": ["a", "b"]})).text == "by the lead"
    decision = router.last_decision
    assert decision is not None
    assert [(one.role, one.seconds) for one in decision.attempts] == [("worker", 10.0), ("lead", 0.0)]
    assert "10 s" in decision.attempts[0].error
    assert router.guards.of("models", "scripted:worker").breaker.status().failures == 0


def test_a_simple_task_waits_for_a_worker_that_is_slow() -> None:
    clock = ManualClock()

    async def slow(_: ModelRequest) -> str:
        await clock.sleep(30)
        return "by the worker"

    router, _ = router_of(clock, lead=["never asked"], worker=[slow])
    assert over(clock, lambda: router.route("hello")).text == "by the worker"


def test_a_worker_that_was_cut_off_is_asked_again_when_all_others_fail() -> None:
    clock = ManualClock()

    async def slow(_: ModelRequest) -> str:
        await clock.sleep(15)
        return "by the worker"

    router, _ = router_of(clock, lead=[DOWN], worker=[slow, slow])
    assert over(clock, lambda: router.route({"input": "hello", "complexity": "moderate"})).text == "by the worker"


def test_a_task_has_its_time_and_no_more() -> None:
    clock = ManualClock()

    async def hang(_: ModelRequest) -> str:
        await clock.sleep(100_000)
        return "too late"

    router, _ = router_of(clock, lead=[hang], worker=[hang], seconds=60)
    with pytest.raises(DeadlineExceeded):
        over(clock, lambda: router.route("hello"))
    assert clock.monotonic() - ManualClock().monotonic() <= 61


def test_an_answer_that_cannot_be_used_is_asked_for_once_more_and_then_of_the_lead() -> None:
    router, models = router_of(lead=["by the lead"], worker=[BROKEN, BROKEN])
    assert asyncio.run(router.route("hello")).text == "by the lead"
    assert len(models["worker"].requests) == 2
    router, models = router_of(lead=["never asked"], worker=[MalformedOutput("no JSON"), "by the worker"])
    assert asyncio.run(router.route("hello")).text == "by the worker"
    assert router.guards.of("models", "scripted:worker").breaker.status().failures == 0


def test_a_worker_that_does_not_call_a_required_tool_makes_way_for_the_lead() -> None:
    wanted = call("get_weather", city="Paris")
    router, models = router_of(lead=[wanted], worker=["It is sunny.", "It is sunny, really."])
    task = {"input": "Weather in Paris?", "tools": [WEATHER], "required_tool": "get_weather"}
    response = asyncio.run(router.route(task))
    assert [one.name for one in response.tool_calls] == ["get_weather"]
    assert models["lead"].requests[0].required_tool == "get_weather"
    decision = router.last_decision
    assert decision is not None
    assert "it does not call get_weather" in decision.attempts[0].error


@pytest.mark.parametrize("outcome", [Outcome.BLOCKED, Outcome.TRUNCATED])
def test_what_a_policy_or_a_limit_ends_is_an_answer(outcome: Outcome) -> None:
    router, models = router_of(lead=["never asked"], worker=[answer("I", outcome=outcome, finish_reason="X")])
    assert asyncio.run(router.route("hello")).outcome is outcome
    assert not models["lead"].requests


def test_the_leads_own_misconfiguration_is_told_at_once() -> None:
    router, models = router_of(lead=[MissingCredential("the key was refused")], fallback=["never asked"])
    with pytest.raises(MissingCredential):
        asyncio.run(router.route({"input": "hello", "complexity": "complex"}))
    assert not models["fallback"].requests
    decision = router.last_decision
    assert decision is not None
    assert (decision.model, decision.role) == ("", None)


def test_when_all_fail_the_last_error_is_raised_with_the_others_in_its_notes() -> None:
    router, _ = router_of(lead=[Unavailable("the lead is down")], worker=[Unavailable("the worker is down")])
    with pytest.raises(Unavailable, match="the lead is down") as raised:
        asyncio.run(router.route("hello"))
    assert "before that: the worker is down" in raised.value.__notes__


def test_when_no_model_can_be_called_it_says_for_how_long() -> None:
    router, models = router_of(lead=["never asked"])
    router.guards.of("models", "scripted:lead").breaker.open(60)
    with pytest.raises(CircuitOpen) as raised:
        asyncio.run(router.route("hello"))
    assert raised.value.retry_after is not None
    assert 59 < raised.value.retry_after <= 60
    assert not models["lead"].requests


def test_the_request_is_made_of_the_task() -> None:
    router, models = router_of(lead=["ok"])
    before = assistant("Which city?")
    context = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Weather?"}, before]
    asyncio.run(router.route({"input": "Paris", "context": context, "instructions": "You tell the weather."}))
    request = models["lead"].requests[0]
    assert request.instructions == "You tell the weather.\n\nBe brief."
    assert list(request.messages) == [user("Weather?"), before, user("Paris")]


def test_a_whole_request_is_routed_by_its_length_and_by_what_is_said_of_it() -> None:
    router, _ = router_of(lead=["by the lead", "by the lead"], worker=["by the worker"])
    long = ModelRequest([user("word " * 60_000), assistant("Yes?"), user("Sum it up.")])
    short = ModelRequest([user("hello")])
    assert asyncio.run(router.generate(long)).text == "by the lead"
    assert asyncio.run(router.generate(short)).text == "by the worker"
    assert asyncio.run(router.generate(short, complexity="complex")).text == "by the lead"


@pytest.mark.parametrize(
    "request_", ["hello", {"input": "hello"}, ModelRequest([user("hello")])], ids=lambda one: type(one).__name__
)
def test_hints_count_whatever_way_a_task_is_written(request_: Any) -> None:
    router, _ = router_of(lead=["by the lead"], worker=["by the worker"])
    assert asyncio.run(router.generate(request_, complexity="complex")).text == "by the lead"


def test_what_every_request_has_in_common_makes_none_harder() -> None:
    router, _ = router_of(lead=["by the lead"], worker=["by the worker"] * 2)
    rules = "You are a helper with rules. " * 5_000
    assert asyncio.run(router.route({"input": "hi", "instructions": rules})).text == "by the worker"
    assert asyncio.run(router.generate(ModelRequest([user("hi")], instructions=rules))).text == "by the worker"


def test_a_trained_classifier_is_asked_where_no_rule_decides() -> None:
    class Marks:
        def score(self, text: str) -> float:
            return float("prove" in text)

    router, _ = router_of(lead=["by the lead"], worker=["by the worker"], classifier=Marks())
    assert router.assess_complexity({"input": "prove it"}) is TaskComplexity.COMPLEX
    assert asyncio.run(router.route({"input": "prove it"})).text == "by the lead"
    assert asyncio.run(router.route({"input": "say it"})).text == "by the worker"
    assert [one.reason.split(",")[0] for one in router.decisions] == [
        "the classifier scores it 1",
        "the classifier scores it 0",
    ]


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ({}, "no input"),
        ({"input": "x", "complexity": "hard"}, "complexity"),
        ({"input": "x", "tools": "weather"}, "tools"),
        ({"input": "x", "tools": [3]}, "is no tool"),
        (None, "NoneType"),
    ],
)
def test_a_task_that_cannot_be_understood_is_refused_before_anybody_is_asked(task: Any, said: str) -> None:
    router, models = router_of(lead=["never asked"])
    with pytest.raises(InvalidConfig, match=said):
        asyncio.run(router.route(task))
    assert not models["lead"].requests
    assert router.decisions == ()


@pytest.mark.parametrize(
    "given",
    [
        {"models": {"boss": "offline"}},
        {"worker": "offline"},
        {"models": {"lead": "offline"}, "lead": "offline"},
        {"lead": 3},
        {"seconds": 0},
        {"classifier": 3},
        {"section": "fast"},
    ],
    ids=str,
)
def test_a_router_that_cannot_be_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(InvalidConfig):
        MultiModelRouter(**given)


def test_models_are_given_by_name_or_as_a_mapping() -> None:
    async def main() -> None:
        lead = ScriptedModel(["by the lead"], spec="scripted:lead")
        async with MultiModelRouter(lead=lead, worker="offline") as router:
            assert [choice.role for choice in router.decide({"complexity": "complex"})] == ["lead", "worker"]
            assert (await router.route({"input": "x", "complexity": "complex"})).text == "by the lead"
        assert not lead.closed
        assert MultiModelRouter().assess_complexity({"requires_reasoning": True}) is TaskComplexity.COMPLEX

    asyncio.run(main())


def test_a_worker_that_cannot_be_opened_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GEMINI_API_KEY", raising=False)
    lead = ScriptedModel(["by the lead"])
    router = MultiModelRouter(lead=lead, worker="gemini:gemini-2.0-flash", section=RoutingSection(worker_seconds=1))
    assert asyncio.run(router.route("hello")).text == "by the lead"
    with pytest.raises(MissingCredential):
        asyncio.run(MultiModelRouter(lead="gemini:gemini-2.0-flash").route("hello"))
