"""A recorded session runs again without any effect on the outside."""

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pytest

from emonk import tool
from emonk.agent.rerun import rerun
from emonk.errors import InvalidConfig, Unavailable
from emonk.memory.section import MemorySection
from emonk.messages import ToolMessage
from emonk.models.protocol import ModelRequest
from emonk.records import SessionKey
from emonk.runtime.comparison import TurnComparison
from emonk.store.connect import connect
from emonk.store.usage_protocol import UsageFilter
from emonk.testing.model import ScriptedModel, call
from tests.agent.weather import CITIES, weather_agent

PARIS = call("get_weather", city="Paris")
ROME = call("get_weather", city="Rome")
BOOKED = call("book_flight", city="Paris")
KEY = SessionKey("weather", "s1")


class Recorded:
    """A session in a store of its own, and the runs of it."""

    def __init__(self, folder: Path, *turns: tuple[str, Sequence[Any]]) -> None:
        self.url = f"sqlite:///{folder / 'recorded.db'}"
        self._turns = turns

    async def record(self) -> None:
        script = [answer for _, answers in self._turns for answer in answers]
        agent, _ = weather_agent(script, self.url)
        async with agent:
            for number, (text, _) in enumerate(self._turns):
                await agent.process_message(text, session_id="s1", user_id="ann", message_id=f"m{number}")

    async def again(self, script: Sequence[Any], **settings: Any) -> tuple[list[TurnComparison], ScriptedModel]:
        store = await connect(self.url)
        session, events = await store.session(KEY), await store.read(KEY)
        assert session is not None
        agent, model = weather_agent(script, self.url)
        turns = [turn async for turn in rerun(agent, session, events, **settings)]
        assert await store.read(KEY) == events
        assert await store.session(KEY) == session
        assert await store.sessions() == [session]
        await store.aclose()
        return turns, model


def results(request: ModelRequest) -> list[tuple[str, str | None]]:
    last = request.messages[-1]
    assert isinstance(last, ToolMessage)
    return [(result.content, result.error) for result in last.results]


def test_the_same_calls_get_the_recorded_results_and_nothing_runs(tmp_path: Path) -> None:
    async def main() -> None:
        recorded = Recorded(tmp_path, ("Paris?", [[PARIS, BOOKED], "Sunny."]), ("And Rome?", [ROME, "Too."]))
        await recorded.record()
        turns, model = await recorded.again([[BOOKED, PARIS], "Sunny.", ROME, "There it is sunny, too."])
        assert CITIES == []
        (denied, told) = results(model.requests[1])
        assert told == ("sunny in Paris for 1 day(s)", None)
        assert denied[1] == "permission_denied"
        assert [turn.same_answer for turn in turns] == [True, False]
        assert [turn.same_calls for turn in turns] == [False, True]
        assert (turns[1].recorded.text, turns[1].new.text) == ("Too.", "There it is sunny, too.")

    asyncio.run(main())


def test_a_call_that_was_not_recorded_is_told_so_and_shown(tmp_path: Path) -> None:
    async def main() -> None:
        recorded = Recorded(tmp_path, ("Paris?", [PARIS, "Sunny."]))
        await recorded.record()
        turns, model = await recorded.again([[ROME, PARIS, PARIS], "Hm."])
        (rome, first, again) = results(model.requests[1])
        assert rome[1] == again[1] == "not_recorded"
        assert 'no result of get_weather with {"city":"Rome"} was recorded' in rome[0]
        assert first == ("sunny in Paris for 1 day(s)", None)
        assert CITIES == []
        errors = [one.call.result.error for one in turns[0].calls if one.call.result]
        assert errors == ["not_recorded", None, "not_recorded"]

    asyncio.run(main())


def test_only_tools_that_read_run_and_only_if_asked_to(tmp_path: Path) -> None:
    async def main() -> None:
        recorded = Recorded(tmp_path, ("Paris?", [PARIS, "Sunny."]))
        await recorded.record()
        visit, flight = call("count_visit", city="Bern"), call("book_flight", city="Oslo")
        _, model = await recorded.again([[ROME, visit, flight], "Hm."], run_readonly=True)
        assert CITIES == ["Rome"]
        assert [error for _, error in results(model.requests[1])] == [None, "not_recorded", "not_recorded"]

    asyncio.run(main())


def test_an_effect_of_low_risk_does_not_happen_again(tmp_path: Path) -> None:
    sent: list[str] = []

    @tool(risk="low", effect=True)
    async def send(text: str) -> str:
        """Send it."""
        sent.append(text)
        return "sent"

    async def main() -> None:
        url = f"sqlite:///{tmp_path / 'recorded.db'}"
        hello, other = call("send", text="hello"), call("send", text="other")
        agent, _ = weather_agent([hello, "Sent."], url, tools=[send])
        async with agent:
            await agent.process_message("send hello", session_id="s1")
            session, events = await agent.sessions.load("s1"), await agent.store.read(KEY)
        again, model = weather_agent([[hello, other], "Sent."], url, tools=[send])
        (turn,) = [turn async for turn in rerun(again, session, events, run_readonly=True)]
        assert sent == ["hello"]
        assert results(model.requests[1])[0] == ("sent", None)
        assert results(model.requests[1])[1][1] == "not_recorded"
        assert turn.same_answer
        store = await connect(url)
        assert len(await store.records("effects")) == 1
        await store.aclose()

    asyncio.run(main())


def test_results_that_differ_by_turn_stay_with_their_turn(tmp_path: Path) -> None:
    async def main() -> None:
        divided = call("divide", number=1, by=0)
        recorded = Recorded(tmp_path, ("a", [[PARIS, divided], "A"]), ("b", [[PARIS, divided], "B"]))
        await recorded.record()
        turns, model = await recorded.again(["no call", [PARIS, divided, PARIS], "B"])
        assert [error for _, error in results(model.requests[2])] == [None, "tool_failed", None]
        assert not turns[0].same_calls

    asyncio.run(main())


def test_another_model_and_other_instructions_take_the_place_of_the_agents(tmp_path: Path) -> None:
    async def main() -> None:
        recorded = Recorded(tmp_path, ("Paris?", ["Sunny."]))
        await recorded.record()
        other = ScriptedModel(["Fine."], spec="other")
        (turn,), own = await recorded.again([], model=other, instructions="Be brief.")
        assert own.requests == []
        assert other.requests[0].instructions == "Be brief."
        assert (turn.recorded.models, turn.new.models) == (("scripted",), ("other",))

    asyncio.run(main())


@pytest.mark.parametrize("backend", ["local", "store"])
def test_the_instructions_are_those_that_its_turns_would_have(
    tmp_path: Path, backend: Literal["local", "store"]
) -> None:
    async def main() -> None:
        url = f"sqlite:///{tmp_path / 'recorded.db'}"
        memory = MemorySection(backend=backend, dir=str(tmp_path / "files") if backend == "local" else None)
        store = await connect(url)
        files = await memory.open("weather", store)
        await files.write("SYSTEM_PROMPT.md", b"Speak of rain.", expected_generation=None)
        agent, _ = weather_agent(["Rain."], url, memory=memory)
        async with agent:
            await agent.process_message("Paris?", session_id="s1")
            session, events = await agent.sessions.load("s1"), await agent.store.read(KEY)
        again, model = weather_agent(["Rain."], url, memory=memory)
        assert [turn.same_answer async for turn in rerun(again, session, events)] == [True]
        assert model.requests[0].instructions.startswith("Speak of rain.")
        await store.aclose()

    asyncio.run(main())


def test_from_a_revision_on_what_was_before_is_the_context_as_it_was(tmp_path: Path) -> None:
    async def main() -> None:
        recorded = Recorded(tmp_path, ("Paris?", [PARIS, "Sunny."]), ("And Rome?", [ROME, "Too."]))
        await recorded.record()
        (turn,), model = await recorded.again([ROME, "It rains."], first=2)
        assert [message.text for message in model.requests[0].messages if not isinstance(message, ToolMessage)] == [
            "Paris?",
            "",
            "Sunny.",
            "And Rome?",
        ]
        assert (turn.recorded.text, turn.new.text, turn.same_calls) == ("Too.", "It rains.", True)
        with pytest.raises(InvalidConfig, match="no message at revision 7 or after"):
            await recorded.again([], first=7)

    asyncio.run(main())


def test_a_model_that_fails_is_a_difference_and_no_error(tmp_path: Path) -> None:
    async def main() -> None:
        recorded = Recorded(tmp_path, ("Paris?", ["Sunny."]))
        await recorded.record()
        (turn,), _ = await recorded.again([Unavailable("gone", final=True)])
        assert turn.new.status == "failed"
        assert not turn.same_answer

    asyncio.run(main())


def test_what_a_run_wrote_is_gone_also_when_it_is_left_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))

    async def main() -> None:
        recorded = Recorded(tmp_path, ("a", ["A"]), ("b", ["B"]))
        await recorded.record()
        store = await connect(recorded.url)
        session, events = await store.session(KEY), await store.read(KEY)
        assert session is not None
        agent, _ = weather_agent(["A", "B"], recorded.url)
        turns = rerun(agent, session, events)
        assert (await anext(turns)).same_answer
        assert list(scratch.iterdir())
        await turns.aclose()
        assert not list(scratch.iterdir())
        await store.aclose()

    asyncio.run(main())


def test_its_calls_are_billed_where_the_session_lies(tmp_path: Path) -> None:
    async def main() -> None:
        recorded = Recorded(tmp_path, ("Paris?", [PARIS, "Sunny."]))
        await recorded.record()
        store = await connect(recorded.url)
        await recorded.again([PARIS, "Rain."], billed_in=store)
        rows = await store.usage_rows(UsageFilter())
        assert [(row.purpose, row.state, row.session_id) for row in rows] == [
            *[("rerun", "completed", "s1")] * 2,
            *[("turn", "completed", "s1")] * 2,
        ]
        await store.aclose()

    asyncio.run(main())
