"""Whole turns whose conversations become too long."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from emonk import Agent, tool
from emonk.agent.agent import Agent as AgentType
from emonk.errors import InvalidConfig, Unavailable
from emonk.events import Logged, ModelSaid, StepFailed, Summarised, ToolReturned, UserSaid
from emonk.messages import Text, ToolMessage, UserMessage
from emonk.models.protocol import ModelRequest
from emonk.records import Reply, SessionKey, Usage
from emonk.resilience.section import ComponentSection, ResilienceSection
from emonk.runtime.compression.section import ContextSection
from emonk.runtime.compression.summary import RULES
from emonk.runtime.limits import Limits
from emonk.runtime.progress import ContextCompressed
from emonk.store.usage_protocol import UsageFilter
from emonk.testing.model import ScriptedModel, answer, call

SMALL = ContextSection(budget=2000)
ONE_TRY = ResilienceSection(models=ComponentSection(retries=0))
PAGE = "The quarterly report names src/report/q3.py and ticket ACME-42. " * 10


@tool(risk="low", idempotent=True)
async def read_page(number: int) -> str:
    """A page of a book.

    Args:
        number: which.
    """
    return f"page {number}: {PAGE}"


@tool(risk="low", idempotent=True)
async def dump() -> str:
    """Everything there is."""
    return "".join(f"line {number:06} of the dump\n" for number in range(4000))


class Reader:
    """A model that reads so many pages, one by one, and then answers; summaries are given by `summarise`."""

    def __init__(self, pages: int, summarise: Any = "The user wants the report read.") -> None:
        self.left = pages
        self.summaries = 0
        self._summarise = summarise

    def __call__(self, request: ModelRequest) -> Any:
        if request.instructions == RULES:
            self.summaries += 1
            return self._summarise(request) if callable(self._summarise) else self._summarise
        self.left -= 1
        return call("read_page", number=self.left) if self.left >= 0 else "All is read."


def agent_of(model: ScriptedModel, path: Path, **settings: Any) -> AgentType:
    settings.setdefault("context", SMALL)
    return Agent(
        "book", model, tools=[read_page, dump], store=f"sqlite:///{path / 'a.db'}", resilience=ONE_TRY, **settings
    )


async def log_of(agent: AgentType) -> list[Logged]:
    return await agent.store.read(SessionKey("book", "s"))


def summaries(log: Sequence[Logged]) -> list[Summarised]:
    return [one.event for one in log if isinstance(one.event, Summarised)]


async def read_book(path: Path, script: Reader, **settings: Any) -> tuple[Reply, list[Logged], ScriptedModel, Any]:
    model = ScriptedModel(script)
    async with agent_of(model, path, **settings) as agent:
        reply = await agent.process_message("Read the report to the end.", session_id="s")
        rows = await agent.store.usage_rows(UsageFilter(purpose="summary"))
        return reply, await log_of(agent), model, rows


def test_a_long_tool_loop_is_summarised_while_it_runs(tmp_path: Path) -> None:
    script = Reader(20)
    reply, log, model, rows = asyncio.run(read_book(tmp_path, script))
    assert (reply.status, reply.text, reply.steps) == ("done", "All is read.", 21)
    made = summaries(log)
    assert len(made) == script.summaries == len(rows) > 1
    assert all(event.text == "The user wants the report read." and not event.reason for event in made)
    assert all(event.after <= 2000 < event.before for event in made)
    assert all(row.state == "completed" and row.usage == Usage(10, 5) for row in rows)
    assert reply.usage == Usage(10, 5) + Usage(10 * (20 + len(made)), 5 * (20 + len(made)))
    last = model.requests[-1].messages
    assert isinstance(last[0], UserMessage)
    assert last[0].text.startswith("Summary of the conversation so far:\n")
    assert last[1] == UserMessage((Text("Read the report to the end."),))
    assert len(last) >= 12


def test_a_summary_is_asked_by_the_rules_and_is_given_the_one_before_it(tmp_path: Path) -> None:
    _, _, model, _ = asyncio.run(read_book(tmp_path, Reader(20)))
    asked = [request for request in model.requests if request.instructions == RULES]
    texts = [message.text for request in asked for message in request.messages if isinstance(message, UserMessage)]
    assert "USER: Read the report to the end." in texts[0]
    assert "<earlier-summary>" not in texts[0]
    assert all("<earlier-summary>\nThe user wants the report read.\n" in text for text in texts[1:])
    assert all(not request.tools for request in asked)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (Unavailable("the provider is down"), "the summary failed: the provider is down"),
        ("word " * 501, "the model's summary has 501 words"),
        ("", "the model gave no summary"),
        (answer("cut", finish_reason="MAX_TOKENS", outcome="truncated"), "the model gave no summary"),  # type: ignore[arg-type]
        ("A" * 90_000, "the model's summary is no shorter than what it stands for"),
    ],
)
def test_a_summary_that_will_not_do_is_replaced_by_extracts_which_say_so(tmp_path: Path, given: Any, said: str) -> None:
    reply, log, _, rows = asyncio.run(read_book(tmp_path, Reader(12, given)))
    assert reply.status == "done"
    first = summaries(log)[0]
    assert first.reason.startswith(said)
    assert "Read the report to the end." in first.text
    assert "ACME-42" in first.text
    assert len(first.text.split()) <= 400
    assert {row.state for row in rows} == {"failed" if isinstance(given, Unavailable) else "completed"}


def test_the_offline_model_summarises_by_extracts(tmp_path: Path) -> None:
    async def main() -> None:
        async with agent_of("offline", tmp_path) as agent:  # type: ignore[arg-type]
            for number in range(14):
                await agent.process_message(f"Note {number}: {PAGE}"[:900], session_id="s")
            events = [one async for one in agent.stream("And now?", session_id="s")]
            compressed = [one for one in events if isinstance(one, ContextCompressed)]
            made = summaries(await log_of(agent))
            assert made
            assert all(event.reason == "the offline model cannot summarise" for event in made)
            assert all(one.reason == "the offline model cannot summarise" for one in compressed)
            info = await agent.store.session(SessionKey("book", "s"))
            assert info is not None
            assert info.context_compressed
            assert 0 < info.token_count <= 2500

    asyncio.run(main())


def test_a_provider_that_finds_the_context_too_long_gets_a_shorter_one(tmp_path: Path) -> None:
    overflow = InvalidConfig("too long", code="context_overflow")

    def script(request: ModelRequest) -> Any:
        if request.instructions == RULES:
            return "Short."
        return overflow if len(request.messages) > 14 else "Fine."

    async def main() -> None:
        async with agent_of(ScriptedModel(script), tmp_path, context=ContextSection()) as agent:
            for number in range(9):
                reply = await agent.process_message(f"{number}: {PAGE}", session_id="s")
                assert (reply.status, reply.text) == ("done", "Fine.")
            log = await log_of(agent)
            assert len(summaries(log)) == 1
            assert [one.event.code for one in log if isinstance(one.event, StepFailed)] == ["context_overflow"]

    asyncio.run(main())


def test_a_context_that_is_always_too_long_ends_the_turn_with_that_error(tmp_path: Path) -> None:
    async def main() -> None:
        def script(request: ModelRequest) -> Any:
            return "Short." if request.instructions == RULES else InvalidConfig("too long", code="context_overflow")

        async with agent_of(ScriptedModel(script), tmp_path) as agent:
            for _ in range(12):
                reply = await agent.process_message(PAGE, session_id="s")
                assert (reply.status, reply.reason, reply.error) == ("failed", "context_overflow", "InvalidConfig")
            failed = [one for one in await log_of(agent) if isinstance(one.event, StepFailed)]
            assert len(failed) <= 12 * 3

    asyncio.run(main())


def test_the_rest_of_a_long_result_can_be_read_while_it_is_shown_in_part(tmp_path: Path) -> None:
    def script(request: ModelRequest) -> Any:
        last = request.messages[-1]
        if not isinstance(last, ToolMessage):
            assert [one.name for one in request.tools] == ["read_page", "dump"]
            return call("dump")
        assert [one.name for one in request.tools] == ["read_page", "dump", "read_result"]
        if last.results[0].name == "dump":
            assert len(last.results[0].content) < 2000
            handle = last.results[0].content.partition('handle="')[2].partition('"')[0]
            return call("read_result", handle=handle, start=24 * 2000, length=500)
        return last.results[0].content

    async def main() -> None:
        async with agent_of(ScriptedModel(script), tmp_path) as agent:
            reply = await agent.process_message("Dump it.", session_id="s")
            assert reply.text.startswith("line 002000 of the dump\nline 002001")
            assert "of 96000; 47500 follow" in reply.text
            whole = [one.event for one in await log_of(agent) if isinstance(one.event, ToolReturned)]
            assert len(whole[0].result.content) == 96_000

    asyncio.run(main())


@pytest.mark.parametrize("handle", ["r1", "r999", "x", "", "r-1", "r" + "9" * 40, "r²"])
def test_a_handle_of_nothing_is_told_so(tmp_path: Path, handle: str) -> None:
    async def main() -> None:
        model = ScriptedModel([call("read_result", handle=handle), "Sorry."])
        async with agent_of(model, tmp_path) as agent:
            assert (await agent.process_message("Read.", session_id="s")).text == "Sorry."
            last = model.requests[-1].messages[-1]
            assert isinstance(last, ToolMessage)
            assert last.results[0].error == "invalid_arguments"

    asyncio.run(main())


def test_huge_results_are_shown_shorter_when_the_last_messages_alone_are_too_long(tmp_path: Path) -> None:
    def script(request: ModelRequest) -> Any:
        if isinstance(request.messages[-1], ToolMessage):
            return "Seen."
        return [call("dump") for _ in range(6)]

    async def main() -> None:
        model = ScriptedModel(script)
        async with agent_of(model, tmp_path) as agent:
            assert (await agent.process_message("Dump it.", session_id="s")).text == "Seen."
            made = summaries(await log_of(agent))
            assert [(event.text, event.cutoff, event.shown) for event in made] == [("", 0, 1000)]
            shown = model.requests[-1].messages[-1]
            assert isinstance(shown, ToolMessage)
            assert all(len(one.content) < 1200 for one in shown.results)
            await agent.process_message("Again?", session_id="s")
            assert model.requests[-1].messages[: len(model.requests[1].messages)] == model.requests[1].messages

    asyncio.run(main())


def test_a_turn_that_goes_on_after_a_crash_knows_what_its_summary_covers(tmp_path: Path) -> None:
    async def main() -> None:
        started = asyncio.Event()
        script = Reader(12)

        async def first(request: ModelRequest) -> Any:
            if script.left == 0 and request.instructions != RULES:
                started.set()
                await asyncio.Event().wait()
            return script(request)

        async with agent_of(ScriptedModel(first), tmp_path) as agent:
            asked = asyncio.create_task(agent.process_message("Read the report.", session_id="s", message_id="m"))
            await started.wait()
        with pytest.raises(Unavailable):
            await asked
        model = ScriptedModel(script)
        async with agent_of(model, tmp_path) as agent:
            reply = await agent.resume("s")
            assert reply is not None
            assert (reply.status, reply.steps) == ("done", 13)
            log = await log_of(agent)
            began = next(one.revision for one in log if isinstance(one.event, UserSaid))
            assert summaries(log)[0].began == began
            spent = sum((one.event.usage for one in log if isinstance(one.event, ModelSaid | Summarised)), Usage())
            assert reply.usage == spent
        assert UserMessage((Text("Read the report."),)) in model.requests[0].messages

    asyncio.run(main())


def test_a_tool_cannot_take_the_readers_name() -> None:
    @tool(risk="low")
    def read_result() -> str:
        """Mine."""
        return ""

    with pytest.raises(InvalidConfig, match="read_result"):
        Agent("a", tools=[read_result])


@pytest.mark.parametrize("given", [{"budget": 999}, {"budget": 0.5}, {"keep": 9}, {"keep": True}])
def test_a_budget_without_sense_is_refused(given: Any) -> None:
    with pytest.raises(InvalidConfig, match=r"context\."):
        ContextSection(**given)


def test_a_summarys_cost_counts_for_the_turns_limit(tmp_path: Path) -> None:
    reply, _, _, _ = asyncio.run(read_book(tmp_path, Reader(12), limits=Limits(steps=13)))
    assert (reply.status, reply.steps) == ("done", 13)
    assert reply.cost_usd in {None, Decimal(0)}
