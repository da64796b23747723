"""Who makes which step of a turn: planning by the lead, work by the worker, escalation and the way back."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from emonk import Agent
from emonk.agent.file import read_agent_file
from emonk.errors import InvalidConfig, MalformedOutput, Unavailable
from emonk.events import ModelSaid, Routed, StepFailed
from emonk.models.protocol import ModelDelta, ModelRequest, ModelResponse, Outcome
from emonk.routing import Classifier
from emonk.routing.section import RoutingSection
from emonk.runtime.progress import ReplyDelta, TurnReplied
from emonk.testing.clock import ManualClock
from emonk.testing.model import Answer, ScriptedModel, answer, call
from tests.agent.recovering import DOWN, agent_with, ask_over, key, models
from tests.agent.weather import kinds, log_of

BROKEN = answer(outcome=Outcome.MALFORMED, finish_reason="MALFORMED_FUNCTION_CALL")
COMPLEX = RoutingSection(complex_tokens=0, moderate_tokens=0)
MODERATE = RoutingSection(moderate_tokens=0)


@pytest.fixture
def store(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'weather.db'}"


def paris() -> Answer:
    return call("get_weather", city="Paris")


def wrong(number: int) -> Answer:
    return call("get_weather", **{f"town{number}": "Paris"})


def always() -> dict[str, ScriptedModel]:
    return {role: ScriptedModel(lambda _: "sunny", spec=f"scripted:{role}") for role in ("lead", "worker")}


async def routed(agent: Agent, session: str = "s") -> list[tuple[str, str, str]]:
    events = await log_of(agent, session)
    return [(one.complexity, one.phase, one.role) for one in events if isinstance(one, Routed)]


async def who(agent: Agent) -> list[str]:
    """The roles that answered, in order."""
    events = await log_of(agent, "s")
    return [one.model.partition(":")[2] for one in events if isinstance(one, ModelSaid | StepFailed)]


def test_the_lead_plans_what_is_complex_and_the_worker_does_it(store: str) -> None:
    async def main() -> None:
        given = models(lead=[paris()], worker=[paris(), "sunny"])
        async with agent_with(store, given, routing=COMPLEX) as agent:
            assert (await agent.process_message("Weather?", session_id="s")).text == "sunny"
            assert await who(agent) == ["lead", "worker", "worker"]
            assert await routed(agent) == [("complex", "planning", "lead"), ("complex", "work", "worker")]
            assert kinds(await log_of(agent, "s"))[:3] == ["user_message", "routed", "model_message"]

    asyncio.run(main())


@pytest.mark.parametrize(
    ("complexity", "asked"), [(None, "worker"), ("simple", "worker"), ("moderate", "worker"), ("Complex", "lead")]
)
def test_the_caller_may_say_how_hard_a_message_is(store: str, complexity: str | None, asked: str) -> None:
    async def main() -> None:
        async with agent_with(store, always()) as agent:
            await agent.process_message("Weather?", session_id="s", complexity=complexity)
            assert await who(agent) == [asked]
            assert [one async for one in agent.stream("Weather?", session_id="t", complexity=complexity)]
            assert [role for _, _, role in await routed(agent, "t")] == [asked]
            with pytest.raises(InvalidConfig, match="the complexity of a task is 'hard'"):
                await agent.process_message("Weather?", complexity="hard")

    asyncio.run(main())


def test_a_long_system_prompt_makes_no_message_harder_but_a_long_conversation_does(store: str) -> None:
    async def main() -> None:
        given = always()
        async with Agent("weather", given, store=store, instructions="You are a helper with rules. " * 5_000) as agent:
            await agent.process_message("hi", session_id="s")
            assert await routed(agent) == [("simple", "work", "worker")]
            await agent.process_message("word " * 15_000, session_id="s2")
            assert await routed(agent, "s2") == [("moderate", "work", "worker")]
            await agent.process_message("word " * 15_000, session_id="s2")
            assert (await routed(agent, "s2"))[1] == ("complex", "planning", "lead")

    asyncio.run(main())


def test_the_worker_works_again_after_a_quiet_stretch(store: str) -> None:
    async def main() -> None:
        given = models(worker=[wrong(1), wrong(2), "sunny"], lead=[paris(), paris(), paris()])
        async with agent_with(store, given) as agent:
            assert (await agent.process_message("Weather?", session_id="s")).text == "sunny"
            assert await who(agent) == ["worker", "worker", "lead", "lead", "lead", "worker"]
            assert await routed(agent) == [
                ("simple", "work", "worker"),
                ("simple", "escalated", "lead"),
                ("simple", "work", "worker"),
            ]

    asyncio.run(main())


def test_a_failure_of_the_lead_makes_the_stretch_longer(store: str) -> None:
    async def main() -> None:
        given = models(worker=[wrong(1), wrong(2), "sunny"], lead=[paris(), wrong(3), paris(), paris()])
        async with agent_with(store, given, routing=RoutingSection(quiet_steps=2)) as agent:
            assert (await agent.process_message("Weather?", session_id="s")).text == "sunny"
            assert await who(agent) == ["worker", "worker", "lead", "lead", "lead", "lead", "worker"]

    asyncio.run(main())


def test_who_came_back_and_fails_again_makes_way_again(store: str) -> None:
    async def main() -> None:
        given = models(worker=[BROKEN, BROKEN, BROKEN, BROKEN], lead=[paris(), "sunny"])
        async with agent_with(store, given, routing=RoutingSection(quiet_steps=1)) as agent:
            assert (await agent.process_message("Weather?", session_id="s")).text == "sunny"
            assert [len(one.requests) for one in given.values()] == [4, 2]
            assert [phase for _, phase, _ in await routed(agent)] == ["work", "escalated", "work", "escalated"]

    asyncio.run(main())


def test_a_worker_that_is_slow_at_what_is_moderate_makes_way_for_the_lead(store: str) -> None:
    async def main() -> None:
        clock = ManualClock()
        times: list[float] = []

        async def slow(_: ModelRequest) -> str:
            times.append(clock.monotonic())
            try:
                await clock.sleep(60)
            finally:
                times.append(clock.monotonic())
            return "too late"

        given = models(worker=[slow], lead=[paris(), "sunny"])
        async with agent_with(store, given, clock=clock, routing=MODERATE) as agent:
            assert (await ask_over(clock, agent)).text == "sunny"
            assert 10 <= times[1] - times[0] < 12
            assert await who(agent) == ["lead", "lead"]
            assert await routed(agent) == [("moderate", "work", "worker"), ("moderate", "escalated", "lead")]
            reasons = [one.reason for one in await log_of(agent, "s") if isinstance(one, Routed)]
            assert reasons[1] == "scripted:worker could not answer: scripted:worker took longer than 10 s"
            assert agent.guards.of("models", "scripted:worker").breaker.status().failures == 0

    asyncio.run(main())


def test_a_slow_worker_is_asked_again_when_nobody_else_answers(store: str) -> None:
    async def main() -> None:
        clock = ManualClock()

        async def slow(_: ModelRequest) -> str:
            await clock.sleep(20)
            return "sunny"

        given = models(worker=[slow, slow], lead=[DOWN])
        async with agent_with(store, given, clock=clock, routing=MODERATE) as agent:
            reply = await ask_over(clock, agent)
            assert (reply.text, reply.degraded) == ("sunny", False)

    asyncio.run(main())


def test_an_answer_that_is_being_shown_is_not_cut_off(store: str) -> None:
    class Slow(ScriptedModel):
        async def stream(self, request: ModelRequest) -> AsyncIterator[ModelDelta | ModelResponse]:
            async for part in super().stream(request):
                yield part
                await clock.sleep(8)

    clock = ManualClock()

    async def main() -> None:
        given = {
            "worker": Slow(["one two three"], spec="scripted:worker"),
            "lead": ScriptedModel([], spec="scripted:lead"),
        }
        async with agent_with(store, given, clock=clock, routing=MODERATE) as agent:
            seen: list[Any] = []

            async def watch() -> None:
                seen.extend([event async for event in agent.stream("Weather?", session_id="s")])

            turn = asyncio.create_task(watch())
            while not turn.done():
                await (clock.advance(1) if clock.sleepers else asyncio.sleep(0))
            await turn
            assert "".join(one.text for one in seen if isinstance(one, ReplyDelta)) == "one two three"
            assert [one.reply.text for one in seen if isinstance(one, TurnReplied)] == ["one two three"]
            assert await who(agent) == ["worker"]

    asyncio.run(main())


def test_a_turn_that_goes_on_after_a_crash_goes_on_where_it_was(store: str) -> None:
    async def main() -> None:
        stopped = asyncio.Event()

        async def hang(_: ModelRequest) -> str:
            stopped.set()
            await asyncio.Event().wait()
            return "never"

        first = models(lead=[paris()], worker=[hang])
        agent = agent_with(store, first, routing=COMPLEX)
        async with agent:
            turn = asyncio.create_task(agent.process_message("Weather?", session_id="s", message_id="m"))
            await stopped.wait()
        with pytest.raises(Unavailable):
            await turn
        second = models(lead=[], worker=["sunny"])
        async with agent_with(store, second) as agent:  # by whose bounds it would be simple
            reply = await agent.resume("s")
            assert reply is not None
            assert reply.text == "sunny"
            assert await routed(agent) == [("complex", "planning", "lead"), ("complex", "work", "worker")]

    asyncio.run(main())


def test_an_agent_with_one_model_decides_and_records_nothing(store: str) -> None:
    async def main() -> None:
        async with agent_with(store, models(lead=[paris(), "sunny"]), routing=COMPLEX) as agent:
            await agent.process_message("Weather?", session_id="s", complexity="complex")
            assert "routed" not in kinds(await log_of(agent, "s"))

    asyncio.run(main())


def test_it_is_recorded_who_stands_in_for_the_lead_and_when_it_is_back(store: str) -> None:
    async def main() -> None:
        given = models(lead=[DOWN, "sunny"], fallback=[paris()])
        async with agent_with(store, given) as agent:
            await agent.process_message("Weather?", session_id="s")
            events = [one for one in await log_of(agent, "s") if isinstance(one, Routed)]
            assert [(one.role, one.reason) for one in events] == [
                ("fallback", "scripted:lead could not answer: the provider is down"),
                ("lead", "it can be called again"),
            ]

    asyncio.run(main())


def test_who_cannot_be_called_is_passed_over_with_a_reason(store: str) -> None:
    async def main() -> None:
        async with agent_with(store, models(lead=["sunny"], worker=[])) as agent:
            agent.guards.of("models", "scripted:worker").breaker.open(60)
            await agent.process_message("Weather?", session_id="s")
            assert await routed(agent) == [("simple", "work", "worker"), ("simple", "work", "lead")]

    asyncio.run(main())


def test_a_task_says_how_hard_it_is_and_which_tool_it_takes(store: str) -> None:
    async def main() -> None:
        refused: list[Answer] = ["It is sunny.", "I need no tool."]
        given = models(worker=refused, lead=[paris(), "sunny in Paris"])
        async with agent_with(store, given) as agent:
            task = {"input": "Weather?", "session_id": "s", "type": "skill_call", "required_tool": "get_weather"}
            assert (await agent.execute(task)).text == "sunny in Paris"
            assert [one.required_tool for one in given["worker"].requests] == ["get_weather"] * 2
            assert [one.required_tool for one in given["lead"].requests] == ["get_weather", ""]
            assert [phase for _, phase, _ in await routed(agent)] == ["work", "escalated"]
            codes = [one.code for one in await log_of(agent, "s") if isinstance(one, StepFailed)]
            assert codes == ["tool_not_used", "tool_not_used"]

    asyncio.run(main())


def test_a_required_tool_that_nobody_calls_fails_the_task(store: str) -> None:
    async def main() -> None:
        given = models(worker=["no", "no"], lead=["no"])
        async with agent_with(store, given) as agent:
            with pytest.raises(MalformedOutput, match="it does not call get_weather"):
                await agent.execute({"input": "Weather?", "required_tool": "get_weather"})
            with pytest.raises(InvalidConfig, match="requires the tool 'get_wether'"):
                await agent.execute({"input": "Weather?", "required_tool": "get_wether"})

    asyncio.run(main())


@pytest.mark.parametrize(
    ("hints", "complexity", "role"),
    [
        ({"complexity": "complex"}, "complex", "lead"),
        ({"requires_reasoning": True}, "complex", "lead"),
        ({"requires_reasoning": True, "type": "factual_qa"}, "simple", "worker"),
        ({"steps": ["a", "b"]}, "moderate", "worker"),
        ({"context_length": 20_001}, "complex", "lead"),
        ({"model": "worker", "requires_reasoning": True}, "simple", "worker"),
        ({"model": "lead"}, "complex", "lead"),
        ({}, "simple", "worker"),
    ],
    ids=str,
)
def test_a_task_is_routed_by_what_it_says(store: str, hints: dict[str, Any], complexity: str, role: str) -> None:
    async def main() -> None:
        async with agent_with(store, always()) as agent:
            await agent.execute({"input": "Weather?", "session_id": "s", **hints})
            assert [(one[0], one[2]) for one in await routed(agent)] == [(complexity, role)]

    asyncio.run(main())


@pytest.mark.parametrize("task", [{"complexity": "hard"}, {"steps": "one"}, {"context_length": "x"}], ids=str)
def test_a_task_that_says_nonsense_is_refused(store: str, task: dict[str, Any]) -> None:
    async def main() -> None:
        async with agent_with(store, models(lead=[])) as agent:
            with pytest.raises(InvalidConfig):
                await agent.execute({"input": "Weather?", "session_id": "s"} | task)
            assert await agent.store.session(key(agent)) is None

    asyncio.run(main())


def test_a_file_tunes_routing(tmp_path: Path) -> None:
    file = tmp_path / "agent.yaml"
    text = "agent:\n  name: a\n  llm: {model: offline}\n  store: 'sqlite:///%s'\n  routing: {%s}\n"
    file.write_text(text % (tmp_path / "a.db", "worker_seconds: 3, quiet_steps: 5, moderate_tokens: 100"))
    assert Agent.from_file(file)
    for wrong_one in ("worker_seconds: 0", "quiet_steps: none", "speed: 3"):
        file.write_text(text % (tmp_path / "a.db", wrong_one))
        with pytest.raises(InvalidConfig, match=r"agent\.yaml:5: agent\.routing"):
            Agent.from_file(file)


@pytest.mark.parametrize("routing", ["fast", {"worker_seconds": 3}])
def test_routing_that_is_no_section_is_refused(routing: Any) -> None:
    with pytest.raises(InvalidConfig, match="routing is"):
        Agent("a", routing=routing)


HARD, EASY = "prove the theorem of number {}", "greet the guest of number {}"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with an `agent.yaml` and, beside it, the classifier that it names."""
    folder = tmp_path_factory.mktemp("trained")
    pairs = [(text.format(number), text is HARD) for number in range(60) for text in (HARD, EASY)]
    Classifier.train(pairs, lead_share=0.5).save(folder / "model")
    (folder / "agent.yaml").write_text("agent: {name: weather, llm: {model: offline}, routing: {classifier: model}}")
    return folder


def test_a_trained_classifier_gives_what_is_hard_to_the_lead_and_the_rest_to_the_worker(
    trained: Path, store: str
) -> None:
    async def main() -> None:
        section = read_agent_file(trained / "agent.yaml").routing.below(trained)
        async with Agent("weather", always(), store=store, routing=section) as agent:
            for text, session in ((HARD.format(77), "hard"), (EASY.format(77), "easy")):
                assert (await agent.process_message(text, session_id=session)).status == "done"
            assert await routed(agent, "hard") == [("complex", "planning", "lead")]
            assert await routed(agent, "easy") == [("simple", "work", "worker")]
            (decision,) = [one for one in await log_of(agent, "hard") if isinstance(one, Routed)]
            assert decision.reason.startswith("the classifier scores it ")

    asyncio.run(main())


def test_a_classifier_that_was_cut_is_one_clear_error_at_start(trained: Path, tmp_path: Path, store: str) -> None:
    async def main() -> None:
        cut = tmp_path / "cut"
        cut.write_bytes((trained / "model").read_bytes()[:-20])
        agent = agent_with(store, models(lead=[], worker=[]), routing=RoutingSection(classifier=str(cut)))
        with pytest.raises(InvalidConfig, match=r"routing\.classifier"):
            await agent.start()

    asyncio.run(main())


def test_a_classifier_that_is_not_there_or_none_is_one_clear_error_at_start(tmp_path: Path, store: str) -> None:
    async def main() -> None:
        broken = tmp_path / "broken"
        broken.write_bytes(b"\x00 no model")
        for path in (tmp_path / "missing", broken, tmp_path):
            agent = agent_with(store, models(lead=[], worker=[]), routing=RoutingSection(classifier=str(path)))
            with pytest.raises(InvalidConfig, match=r"routing\.classifier"):
                await agent.start()

    asyncio.run(main())
