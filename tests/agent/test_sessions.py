"""Messages that are repeated, wait, are cancelled, or outlive the process that accepted them."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from emonk.errors import ConfigError, Unavailable
from emonk.events import Interrupted, ToolReturned, UserSaid
from emonk.messages import ToolMessage, UserMessage
from emonk.records import SessionKey
from emonk.runtime.progress import MessageAccepted, ReplyDelta, ToolEnded, ToolStarted, TurnReplied
from emonk.store.protocol import INBOX_LIMIT
from emonk.testing.model import BrokenOff, ScriptedModel, call
from emonk.turns import Pump
from tests.agent.weather import CITIES, Gate, kinds, log_of, weather_agent


@pytest.fixture
def store(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'weather.db'}"


def echo(request: Any) -> str:
    """Answer with what the user said last."""
    said = [message for message in request.messages if isinstance(message, UserMessage)]
    return f"re: {said[-1].text}"


def test_a_repeated_message_gets_the_first_ones_reply(store: str) -> None:
    async def main() -> None:
        agent, model = weather_agent(["once"], store)
        async with agent:
            first = await agent.process_message("hi", session_id="s", message_id="m")
            assert await agent.process_message("hi", session_id="s", message_id="m") == first
            assert [type(e) async for e in agent.stream("hi", session_id="s", message_id="m")] == [
                MessageAccepted,
                TurnReplied,
            ]
        assert len(model.requests) == 1

    asyncio.run(main())


def test_a_message_that_is_repeated_while_it_runs_is_run_once(store: str) -> None:
    async def main() -> None:
        gate = Gate()
        agent, model = weather_agent([call("wait"), "through"], store, tools=[gate.tool()])
        async with agent:
            first = asyncio.create_task(agent.process_message("go", session_id="s", message_id="m"))
            await gate.entered.wait()
            second = asyncio.create_task(agent.process_message("go", session_id="s", message_id="m"))
            gate.opened.set()
            assert await first == await second
        assert len(model.requests) == 2

    asyncio.run(main())


def test_messages_of_one_session_are_answered_in_order_each_its_own(store: str) -> None:
    async def main() -> None:
        agent, _ = weather_agent([echo] * 8, store)
        async with agent:
            replies = await asyncio.gather(*(agent.process_message(f"q{n}", session_id="s") for n in range(8)))
            assert [reply.text for reply in replies] == [f"re: q{n}" for n in range(8)]
            said = [event.message_id for event in await log_of(agent, "s") if isinstance(event, UserSaid)]
            assert said == [reply.message_id for reply in replies]

    asyncio.run(main())


def test_two_agents_on_one_store_never_interleave_a_session(store: str) -> None:
    async def main() -> None:
        one, _ = weather_agent([echo] * 9, store)
        two, _ = weather_agent([echo] * 9, store)
        async with one, two:
            asked = [(agent, f"{name}{n}") for n in range(4) for agent, name in ((one, "a"), (two, "b"))]
            replies = await asyncio.gather(*(agent.process_message(text, session_id="s") for agent, text in asked))
            assert [reply.text for reply in replies] == [f"re: {text}" for _, text in asked]
            turn = ["user_message", "model_message", "turn_finished"]
            assert kinds(await log_of(one, "s")) == turn * 8

    asyncio.run(main())


def test_a_full_inbox_is_busy_and_keeps_nothing(store: str) -> None:
    async def main() -> None:
        gate = Gate()
        agent, _ = weather_agent([call("wait"), *[echo] * (INBOX_LIMIT + 1)], store, tools=[gate.tool()])
        async with agent:
            first = asyncio.create_task(agent.process_message("go", session_id="s"))
            await gate.entered.wait()
            waiting = [agent.stream(f"q{n}", session_id="s") for n in range(INBOX_LIMIT)]
            for stream in waiting:
                assert isinstance(await anext(stream), MessageAccepted)
            refused = await agent.process_message("more", session_id="s", message_id="refused")
            assert (refused.status, refused.reason) == ("busy", "inbox_full")
            gate.opened.set()
            last = [[event async for event in stream][-1] for stream in waiting]
            assert [event.reply.text for event in last if isinstance(event, TurnReplied)] == [
                f"re: q{n}" for n in range(INBOX_LIMIT)
            ]
            assert (await first).status == "done"

    asyncio.run(main())


def test_a_stream_tells_what_happens_in_order(store: str) -> None:
    async def main() -> None:
        agent, _ = weather_agent([call("get_weather", city="Rome"), "Sunny there."], store)
        async with agent:
            events = [event async for event in agent.stream("Rome?", session_id="s", user_id="ann")]
        assert [type(event) for event in events[:3]] == [MessageAccepted, ToolStarted, ToolEnded]
        assert "".join(event.text for event in events if isinstance(event, ReplyDelta)) == "Sunny there."
        assert isinstance(events[-1], TurnReplied)
        assert events[-1].reply.status == "done"

    asyncio.run(main())


def test_a_stream_that_breaks_off_is_kept_as_interrupted_and_not_asked_again(store: str) -> None:
    async def main() -> None:
        agent, model = weather_agent([BrokenOff("Once upon", Unavailable("reset")), "never asked for"], store)
        async with agent:
            events = [event async for event in agent.stream("A story", session_id="s")]
            (kept,) = [event for event in await log_of(agent, "s") if isinstance(event, Interrupted)]
        last = events[-1]
        assert isinstance(last, TurnReplied)
        assert (last.reply.status, last.reply.reason) == ("failed", "interrupted")
        assert (kept.text, kept.code, len(model.requests)) == ("Once upon", "unavailable", 1)

    asyncio.run(main())


def test_leaving_a_stream_cancels_the_turn_and_closes_its_calls(store: str) -> None:
    async def main() -> None:
        gate = Gate()
        agent, model = weather_agent([call("wait"), echo], store, tools=[gate.tool()])
        async with agent:
            stream = agent.stream("go", session_id="s")
            async for event in stream:
                if isinstance(event, ToolStarted):
                    await gate.entered.wait()
                    break
            await stream.aclose()
            log = await log_of(agent, "s")
            assert kinds(log) == ["user_message", "model_message", "tool_result", "turn_cancelled"]
            assert isinstance(log[2], ToolReturned)
            assert log[2].result.error == "not_run"
            assert (await agent.process_message("next", session_id="s")).text == "re: next"
        assert len(model.requests[-1].messages) == 5

    asyncio.run(main())


def test_cancelling_from_outside_gives_the_caller_a_cancelled_reply(store: str) -> None:
    async def main() -> None:
        gate = Gate()
        agent, _ = weather_agent([call("wait")], store, tools=[gate.tool()])
        async with agent:
            turn = asyncio.create_task(agent.process_message("go", session_id="s", message_id="m"))
            await gate.entered.wait()
            assert await agent.cancel("s")
            reply = await turn
            assert reply.status == "cancelled"
            assert await agent.process_message("go", session_id="s", message_id="m") == reply
            assert not await agent.cancel("s")

    asyncio.run(main())


def test_a_caller_that_is_cancelled_while_its_message_waits_cancels_only_that(store: str) -> None:
    async def main() -> None:
        gate = Gate()
        agent, model = weather_agent([call("wait"), "through", echo], store, tools=[gate.tool()])
        async with agent:
            first = asyncio.create_task(agent.process_message("go", session_id="s"))
            await gate.entered.wait()
            waiting = agent.stream("wait", session_id="s", message_id="w")
            assert isinstance(await anext(waiting), MessageAccepted)
            await waiting.aclose()
            third = asyncio.create_task(agent.process_message("third", session_id="s"))
            gate.opened.set()
            assert (await first).text == "through"
            assert (await third).text == "re: third"
            assert (await agent.process_message("wait", session_id="s", message_id="w")).status == "cancelled"
        assert len(model.requests) == 3

    asyncio.run(main())


def test_closing_leaves_the_turn_to_the_next_start_which_gives_one_reply(store: str) -> None:
    async def main() -> None:
        gate = Gate()
        agent, _ = weather_agent([call("wait")], store, tools=[gate.tool()])
        async with agent:
            turn = asyncio.create_task(agent.process_message("go", session_id="s", message_id="m"))
            await gate.entered.wait()
        with pytest.raises(Unavailable, match="stopped"):
            await turn
        gate.opened.set()
        again, model = weather_agent(["through"], store, tools=[gate.tool()])
        async with again, Pump([again]) as pump:
            await pump.once()
            reply = await again.process_message("go", session_id="s", message_id="m")
            assert (reply.text, reply.steps, gate.runs) == ("through", 2, 2)
            assert kinds(await log_of(again, "s")).count("user_message") == 1
        assert len(model.requests) == 1

    asyncio.run(main())


def test_a_call_that_is_not_idempotent_is_never_run_again_after_a_crash(store: str) -> None:
    async def main() -> None:
        gate = Gate()
        agent, _ = weather_agent([call("wait")], store, tools=[gate.tool(idempotent=False)])
        async with agent:
            turn = asyncio.create_task(agent.process_message("go", session_id="s", message_id="m"))
            await gate.entered.wait()
        await asyncio.gather(turn, return_exceptions=True)
        again, model = weather_agent(["I do not know"], store, tools=[gate.tool(idempotent=False)])
        async with again:
            reply = await again.resume("s")
            assert reply is not None
            assert (reply.text, gate.runs) == ("I do not know", 1)
        shown = model.requests[0].messages[-1]
        assert isinstance(shown, ToolMessage)
        assert [result.error for result in shown.results] == ["outcome_unknown"]

    asyncio.run(main())


def test_resuming_a_session_with_nothing_to_do_gives_nothing(store: str) -> None:
    async def main() -> None:
        agent, _ = weather_agent([], store)
        async with agent:
            assert await agent.resume("nobody") is None

    asyncio.run(main())


def test_an_agent_that_is_not_started_says_so(store: str) -> None:
    agent, _ = weather_agent([], store)
    with pytest.raises(ConfigError, match="not started"):
        asyncio.run(agent.process_message("hi"))


def test_sessions_know_who_took_part(store: str) -> None:
    async def main() -> None:
        agent, _ = weather_agent([call("count_visit", city="Rome"), echo, echo], store)
        async with agent:
            await agent.process_message("one", session_id="s", user_id="ann")
            await agent.process_message("two", session_id="s", user_id="bob")
            info = await agent.store.session(SessionKey("weather", "s"))
            assert info is not None
            assert (set(info.participants), info.message_count, CITIES) == ({"ann", "bob"}, 2, ["Rome"])

    asyncio.run(main())


def test_many_sessions_run_at_the_same_time(store: str) -> None:
    async def main() -> None:
        agent, _ = weather_agent([], store)
        model = ScriptedModel(echo)
        agent = type(agent)("weather", model, store=store)
        async with agent:
            replies = await asyncio.gather(*(agent.process_message(f"q{n}") for n in range(100)))
        assert [reply.text for reply in replies] == [f"re: q{n}" for n in range(100)]

    asyncio.run(main())
