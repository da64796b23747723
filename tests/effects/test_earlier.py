"""The same call for a later message, while nobody knows whether the one for the earlier message acted."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from emonk import Context, Effect, Happened, tool
from emonk.effects.settle import settle
from emonk.errors import Unavailable
from emonk.messages import ToolMessage, ToolResult
from emonk.records import EffectState, Record
from emonk.store.connect import connect
from emonk.testing.memory_store import MemoryDatabase, MemoryStore
from emonk.testing.model import ScriptedModel, call
from emonk.testing.virtual_loop import SimClock, run
from tests.effects.outside import Hook, Outside, disagreements, poster, posting_agent, results, rows
from tests.effects.remote import Remote, remote_tool

UNKNOWN, DONE, REJECTED, CANCELLED = (
    EffectState.UNKNOWN,
    EffectState.DONE,
    EffectState.REJECTED,
    EffectState.CANCELLED,
)
BEFORE = "\n[This had happened already, for an earlier message. It was not done again.]"


class Scene:
    """An outside that broke off in the turn of the message `m1`, with or without having acted; nobody could look."""

    def __init__(self, clock: SimClock) -> None:
        self.clock = clock
        self.database = MemoryDatabase(clock)
        self.store: MemoryStore = self.database.open()
        self.outside = Outside()

    async def broken(self, *, acted: bool) -> Effect:
        (self.outside.after if acted else self.outside.before).append(ConnectionResetError("gone"))
        await self.say("m1", [post(), "who knows"], "none")
        (row,) = await rows(self.store)
        assert row.state is UNKNOWN
        return row

    async def say(
        self,
        message: str,
        script: Sequence[Any],
        hook: Hook = "looks",
        *,
        session: str = "s",
        tools: Sequence[Any] | None = None,
    ) -> Any:
        """The results of the turn's own calls."""
        given = [poster(self.outside, hook)] if tools is None else tools
        agent, model = posting_agent(script, self.store, given, clock=self.clock)
        async with agent:
            reply = await agent.process_message("post!", session_id=session, message_id=message)
        assert reply.status == "done"
        await self.clock.sleep(1)
        return results(model)[len(results_before(model)) :]

    async def states(self) -> list[EffectState]:
        """In the order in which they were begun, which need not be that of their keys."""
        ledger = await rows(self.store)
        assert not disagreements(self.outside, ledger)
        return [effect.state for effect in sorted(ledger, key=lambda one: one.created_at)]


def results_before(model: ScriptedModel) -> list[ToolResult]:
    """Those of earlier turns, which the first request shows."""
    messages = model.requests[0].messages
    return [result for message in messages if isinstance(message, ToolMessage) for result in message.results]


def post(text: str = "hello", **more: Any) -> Any:
    return call("post", text=text, **more)


def on_scene(main: Any) -> None:
    run(lambda clock: main(Scene(clock)))


def test_what_had_happened_is_told_and_not_done_again_however_often_it_is_called() -> None:
    async def main(scene: Scene) -> None:
        await scene.broken(acted=True)
        first, second = await scene.say("m2", [post(), post(), "it is there"])
        assert (first.content, first.error) == ("posted hello" + BEFORE, None)
        assert (second.content, second.error) == (first.content, None)
        assert len(scene.outside.log) == scene.outside.looks == 1
        assert await scene.states() == [DONE, CANCELLED]

    on_scene(main)


def test_what_had_not_happened_is_sent_as_usual() -> None:
    async def main(scene: Scene) -> None:
        await scene.broken(acted=False)
        first, second = await scene.say("m2", [post(), post(), "posted"])
        assert (first.content, first.error) == ("posted hello", None)
        assert "already for this message" in second.content
        assert len(scene.outside.log) == scene.outside.looks == 1
        assert await scene.states() == [REJECTED, DONE]

    on_scene(main)


@pytest.mark.parametrize("acted", [True, False])
@pytest.mark.parametrize("hook", ["none", "cannot tell", "fails", "hangs"])
def test_what_cannot_be_looked_up_is_refused_and_the_way_out_is_told(hook: Hook, acted: bool) -> None:
    async def main(scene: Scene) -> None:
        row = await scene.broken(acted=acted)
        began = scene.clock.monotonic()
        first, second = await scene.say("m2", [post(), post(), "ask somebody"], hook)
        assert first.error == second.error == "outcome_unknown"
        assert "tell the user" in first.content
        assert f"emonk effects settle {row.key[:12]} " in first.content
        assert len(scene.outside.log) == acted
        assert await scene.states() == [UNKNOWN, CANCELLED]
        assert scene.clock.monotonic() - began < 22

    on_scene(main)


@pytest.mark.parametrize("happened", [True, False])
def test_once_a_person_has_settled_it_the_call_goes_on(happened: bool) -> None:
    async def main(scene: Scene) -> None:
        row = await scene.broken(acted=happened)
        (refused,) = await scene.say("m2", [post(), "ask somebody"], "none")
        assert refused.error == "outcome_unknown"
        await settle(scene.store, row.key, happened=happened, clock=scene.clock)
        (result,) = await scene.say("m3", [post(), "posted"], "none")
        assert (result.content, result.error) == ("posted hello", None)
        assert len(scene.outside.log) == 1 + happened
        assert await scene.states() == [DONE if happened else REJECTED, CANCELLED, DONE]

    on_scene(main)


@pytest.mark.parametrize("happened", [True, False])
def test_a_person_who_settles_it_while_the_outside_is_asked_is_believed(happened: bool) -> None:
    async def main(scene: Scene) -> None:
        row = await scene.broken(acted=happened)
        asked = poster(scene.outside, "none")

        @asked.reconcile
        async def overtaken(effect: Effect, ctx: Context) -> None:
            assert effect.key == ctx.effect_key == row.key
            await settle(scene.store, row.key, happened=happened, note="I saw it", clock=scene.clock)

        assert callable(overtaken)
        (result,) = await scene.say("m2", [post(), "well"], tools=[asked])
        assert (result.content, result.error) == ("I saw it" + BEFORE if happened else "posted hello", None)
        assert len(scene.outside.log) == 1
        assert await scene.states() == ([DONE, CANCELLED] if happened else [REJECTED, DONE])

    on_scene(main)


def test_calls_that_are_not_the_same_go_as_they_are_and_nobody_looks() -> None:
    async def main(scene: Scene) -> None:
        await scene.broken(acted=True)
        seen = await scene.say("m2", [post("other"), post(times=2), "posted"])
        assert [result.content for result in seen] == ["posted other", "posted hello"]
        (elsewhere,) = await scene.say("m3", [post(), "posted"], session="another")
        (renamed,) = await scene.say("m4", [post(), "posted"], tools=[poster(scene.outside, effect="another page")])
        assert (elsewhere.content, renamed.content) == ("posted hello", "posted hello")
        assert scene.outside.looks == 0

    on_scene(main)


def test_the_form_of_the_arguments_makes_no_difference() -> None:
    async def main(scene: Scene) -> None:
        await scene.broken(acted=True)
        (result,) = await scene.say("m2", [call("post", times=1.0, text="hello"), "it is there"])
        assert result.content.endswith(BEFORE)
        assert len(scene.outside.log) == 1

    on_scene(main)


def test_the_same_call_twenty_times_in_one_step_is_looked_up_once() -> None:
    async def main(scene: Scene) -> None:
        await scene.broken(acted=False)
        await scene.say("m2", [[post() for _ in range(20)], "posted"])
        assert len(scene.outside.log) == scene.outside.looks == 1
        assert await scene.states() == [REJECTED, DONE]

    on_scene(main)


def test_who_is_asked_is_whoever_the_effect_was_for() -> None:
    async def main(scene: Scene) -> None:
        users: list[str] = []
        asked = poster(scene.outside, "none")

        @asked.reconcile
        async def find(_effect: Effect, ctx: Context) -> Happened:
            users.append(ctx.user_id)
            return Happened("it is there")

        assert callable(find)
        row = await scene.broken(acted=True)
        await scene.say("m2", [post(), "well"], tools=[asked])
        assert users == [row.user_id]

    on_scene(main)


@pytest.mark.parametrize("hook", ["looks", "none"])
def test_an_effect_whose_tool_was_away_when_its_turn_was_resumed_is_looked_up_too(hook: Hook) -> None:
    """Its row says `sending` though its turn is over."""

    async def main(scene: Scene) -> None:
        scene.outside.after.append(asyncio.Event())
        agent, _ = posting_agent([post()], scene.store, [poster(scene.outside)], clock=scene.clock)
        async with agent:
            turn = asyncio.create_task(agent.process_message("post!", session_id="s", message_id="m1"))
            await scene.outside.entered.wait()
            await scene.clock.sleep(1)
        await asyncio.gather(turn, return_exceptions=True)
        await scene.say("m1", ["who knows"], tools=[])
        assert [effect.state for effect in await rows(scene.store)] == [EffectState.SENDING]
        (result,) = await scene.say("m2", [post(), "well"], hook)
        assert (result.error is None, len(scene.outside.log)) == (hook == "looks", 1)
        assert await scene.states() == [DONE if hook == "looks" else UNKNOWN, CANCELLED]

    on_scene(main)


def test_a_turn_that_is_cancelled_while_it_looks_sends_nothing() -> None:
    async def main(scene: Scene) -> None:
        row = await scene.broken(acted=True)
        agent, _ = posting_agent([post()], scene.store, [poster(scene.outside, "hangs")], clock=scene.clock)
        async with agent:
            turn = asyncio.create_task(agent.process_message("post!", session_id="s", message_id="m2"))
            await scene.clock.sleep(5)
            assert await agent.cancel("s")
            assert (await turn).status == "cancelled"
        assert await scene.states() == [UNKNOWN, CANCELLED]
        assert len(scene.outside.log) == 1
        (result,) = await scene.say("m3", [post(), "it is there"])
        assert result.content.endswith(BEFORE)
        assert [effect.key for effect in await rows(scene.store) if effect.state is DONE] == [row.key]

    on_scene(main)


class Watched(MemoryStore):
    """Counts the questions for what is not at its end; they fail when `away`."""

    asked = 0
    away = False

    async def records(self, namespace: str, **wanted: Any) -> list[Record]:
        self.asked += namespace == "effects"
        if self.away:
            raise Unavailable("the store is away")
        return await super().records(namespace, **wanted)


def test_only_a_turn_with_effects_asks_for_those_of_earlier_turns_and_once() -> None:
    @tool(risk="low", idempotent=True)
    async def read(text: str) -> str:
        """Read something."""
        return text

    async def main(scene: Scene) -> None:
        store = Watched(scene.database)
        scene.store = store
        tools = [poster(scene.outside), read]
        await scene.say("m1", ["nothing to do"], tools=tools)
        await scene.say("m2", [call("read", text="a"), "well"], tools=tools)
        assert store.asked == 0
        await scene.say("m3", [post("a"), post("b"), [post("c"), post("d")], "posted"], tools=tools)
        assert store.asked == 2  # one for each of the two states

    on_scene(main)


def test_two_turns_and_a_service_over_http_act_once(tmp_path: Path) -> None:
    """The connection breaks when the service has acted; the log is the service's own."""

    async def turn(remote: Remote, message: str, *, looks: bool) -> Any:
        store = await connect(f"sqlite:///{tmp_path}/s.db")
        agent, model = posting_agent([post(), "well"], store, [remote_tool(remote.url, looks=looks)])
        async with agent:
            going = asyncio.create_task(agent.process_message("post!", session_id="s", message_id=message))
            if remote.holds:
                await remote.reached.wait()
                remote.let_go()
            await going
        ledger = await rows(store)
        await store.aclose()
        return results(model)[-1], ledger

    async def main() -> None:
        async with Remote("acted") as remote:
            first, (row,) = await turn(remote, "m1", looks=False)
            assert (first.error, row.state) == ("outcome_unknown", UNKNOWN)
            refused, _ = await turn(remote, "m2", looks=False)
            assert refused.error == "outcome_unknown"
            told, ledger = await turn(remote, "m3", looks=True)
            assert (told.content, told.error) == ("posted as post-1" + BEFORE, None)
            assert remote.log == [row.key]
            assert sorted(effect.state for effect in ledger) == sorted([DONE, CANCELLED, CANCELLED])
            again, _ = await turn(remote, "m4", looks=True)
            assert again.content == "posted as post-2"
            assert len(remote.log) == 2

    asyncio.run(main())
