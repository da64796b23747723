"""What a turn does about effects: once, durable before, and looked up where nobody knows."""

import asyncio
import threading
from collections.abc import Coroutine, Sequence
from typing import Any, cast

import pytest

from emonk import Context, Effect, Happened, NotHappened, tool
from emonk.clock import Clock
from emonk.effects import unfinished
from emonk.errors import AgentError, CircuitOpen, OutcomeUnknown, RateLimited, Unavailable
from emonk.events import ToolReturned
from emonk.records import EffectState, Lease, SessionKey
from emonk.store.protocol import Append, Operation
from emonk.store.record_protocol import Put
from emonk.testing.clock import ManualClock
from emonk.testing.memory_store import MemoryDatabase, MemoryStore
from emonk.testing.model import call
from emonk.testing.virtual_loop import SimClock, run
from tests.effects.outside import HOOKS, Act, Hook, Outside, disagreements, poster, posting_agent, results, rows

SESSION = SessionKey("poster", "s")


def post(text: str = "hello", **arguments: Any) -> Any:
    return call("post", text=text, **arguments)


class Scene:
    """A database and an outside, on virtual time."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.database = MemoryDatabase(clock)
        self.store = self.database.open()
        self.outside = Outside()

    async def say(
        self, script: Sequence[Any], hook: Hook = "looks", *, message: str = "m", tools: Sequence[Any] | None = None
    ) -> Any:
        """One turn; its reply and the results that its model saw."""
        given = [poster(self.outside, hook)] if tools is None else tools
        agent, model = posting_agent(script, self.store, given, clock=self.clock)
        async with agent:
            reply = await agent.process_message("post!", session_id="s", message_id=message)
        return reply, results(model)

    async def states(self) -> list[EffectState]:
        ledger = await rows(self.store)
        assert not disagreements(self.outside, ledger)
        return [effect.state for effect in ledger]


def on_scene(main: Any) -> Any:
    def play(clock: SimClock) -> Coroutine[Any, Any, Any]:
        return main(Scene(clock))

    return run(play)


def test_an_effect_is_in_the_ledger_with_the_key_that_the_outside_got() -> None:
    async def main(scene: Scene) -> None:
        reply, (result,) = await scene.say([post(), "posted"])
        assert (reply.status, result.content, result.error) == ("done", "posted hello", None)
        (row,) = await rows(scene.store)
        assert [(act.key, act.text) for act in scene.outside.log] == [(row.key, "hello")]
        assert (row.state, row.attempts, row.remote_id, row.content) == (EffectState.DONE, 1, "post 1", "posted hello")
        assert (row.session, row.tool, row.account, row.user_id) == (SESSION, "post", "the page", "local")
        assert row.arguments == {"text": "hello", "times": 1}
        assert scene.outside.looks == 0

    on_scene(main)


def test_the_row_goes_with_the_events_and_costs_no_transaction() -> None:
    class Watched(MemoryStore):
        commits: list[Sequence[Operation]]

        def commit(
            self, operations: Sequence[Operation], *, fence: Lease, expected_revision: int
        ) -> asyncio.Future[int]:
            self.commits.append(operations)
            return super().commit(operations, fence=fence, expected_revision=expected_revision)

    async def commits(scene: Scene, effect: bool) -> list[list[str]]:
        store = Watched(MemoryDatabase(scene.clock))
        store.commits = []
        scene.store = store
        await scene.say([post(), "posted"], tools=[poster(scene.outside, "none", effect=effect)])
        return [
            [
                f"put {one.state}" if isinstance(one, Put) else f"{len(one.events)} events"
                for one in operations
                if isinstance(one, Put | Append)
            ]
            for operations in store.commits
        ]

    async def main(scene: Scene) -> None:
        assert await commits(scene, effect=False) == [["1 events"], ["1 events"], ["2 events"]]
        assert await commits(scene, effect=True) == [
            ["put sending", "1 events"],
            ["put done", "1 events"],
            ["2 events"],
        ]

    on_scene(main)


@pytest.mark.parametrize(
    "again", [{"text": "hello"}, {"times": 1, "text": "hello"}, {"text": "hello", "times": 1.0}], ids=str
)
def test_the_same_call_again_in_the_turn_gets_the_result_of_the_first(again: dict[str, Any]) -> None:
    async def main(scene: Scene) -> None:
        _, seen = await scene.say([post(), call("post", **again), [call("post", **again), post("other")], "posted"])
        first, second, third, other = seen
        assert (first.content, first.error, other.content) == ("posted hello", None, "posted other")
        for repeated in (second, third):
            assert repeated.content.startswith("posted hello\n[This had been done already")
            assert repeated.error is None
        assert [act.text for act in scene.outside.log] == ["hello", "other"]
        assert await scene.states() == [EffectState.DONE] * 2

    on_scene(main)


def test_the_same_call_twenty_times_in_one_step_acts_once() -> None:
    async def main(scene: Scene) -> None:
        _, seen = await scene.say([[post() for _ in range(20)], "posted"])
        assert [act.text for act in scene.outside.log] == ["hello"]
        assert sum("already" in result.content for result in seen) == 19
        assert all(result.error is None for result in seen)

    on_scene(main)


def test_two_calls_of_one_step_that_share_an_id_each_do_what_they_say() -> None:
    async def main(scene: Scene) -> None:
        await scene.say([[post("a", call_id="c"), post("b", call_id="c")], "posted"])
        assert sorted(act.text for act in scene.outside.log) == ["a", "b"]
        assert await scene.states() == [EffectState.DONE] * 2

    on_scene(main)


def test_another_turn_is_another_occasion() -> None:
    async def main(scene: Scene) -> None:
        await scene.say([post(), "posted"])
        await scene.say([post(), "posted"], message="m2")
        assert [act.text for act in scene.outside.log] == ["hello", "hello"]
        assert len({act.key for act in scene.outside.log}) == 2

    on_scene(main)


@pytest.mark.parametrize(
    "error", [AgentError("not so"), RateLimited("slow down"), ConnectionRefusedError("no"), CircuitOpen("x")], ids=repr
)
def test_what_was_refused_did_not_act_and_may_be_called_again(error: Exception) -> None:
    async def main(scene: Scene) -> None:
        scene.outside.before = [error]
        _, (first, second) = await scene.say([post(), post(), "posted"])
        assert first.error is not None
        assert first.error != "outcome_unknown"
        assert (second.content, second.error) == ("posted hello", None)
        (row,) = await rows(scene.store)
        assert (row.state, row.attempts, row.error) == (EffectState.DONE, 2, "")
        assert scene.outside.looks == 0
        assert await scene.states() == [EffectState.DONE]

    on_scene(main)


def test_a_refusal_stands_in_the_ledger() -> None:
    async def main(scene: Scene) -> None:
        scene.outside.before = [AgentError("not so", hint="otherwise")]
        await scene.say([post(), "no"])
        (row,) = await rows(scene.store)
        assert (row.state, row.error, row.content) == (EffectState.REJECTED, "agent_error", "not so\nHint: otherwise")
        assert await unfinished(scene.store, SESSION) == []

    on_scene(main)


BROKEN = [
    ConnectionResetError("gone"),
    TimeoutError("slow"),
    OutcomeUnknown("?"),
    Unavailable("502"),
    ValueError("a bug"),
    asyncio.CancelledError("inside"),
    SystemExit(1),
]


@pytest.mark.parametrize("error", BROKEN, ids=repr)
@pytest.mark.parametrize("acted", [True, False], ids=["acted", "did not act"])
@pytest.mark.parametrize("hook", HOOKS)
def test_what_broke_off_is_looked_up_at_once(error: BaseException, acted: bool, hook: Hook) -> None:
    async def main(scene: Scene) -> None:
        (scene.outside.after if acted else scene.outside.before).append(error)
        reply, (first, second) = await scene.say([post(), post(), "well"], hook)
        assert reply.status == "done"
        assert len(scene.outside.log) == (hook == "looks" or acted)
        (row,) = await rows(scene.store)
        if hook != "looks":
            assert {first.error, second.error} == {"outcome_unknown"}
            assert "Do not repeat it" in first.content
            assert (row.state, row.attempts) == (EffectState.UNKNOWN, 1)
            assert await unfinished(scene.store, SESSION) == [row]
        elif acted:
            assert (first.content, first.error) == ("posted hello", None)
            assert "already" in second.content
            assert (row.state, row.remote_id) == (EffectState.DONE, "found hello")
        else:
            assert first.error == "not_done"
            assert "may be called again" in first.content
            assert (second.content, row.state, row.attempts) == ("posted hello", EffectState.DONE, 2)
        assert not disagreements(scene.outside, [row])

    on_scene(main)


def test_the_look_at_the_outside_takes_no_longer_than_it_may() -> None:
    async def main(scene: Scene) -> None:
        scene.outside.after = [ConnectionResetError("gone")]
        before = scene.clock.monotonic()
        await scene.say([post(), "well"], "hangs")
        assert scene.clock.monotonic() - before == pytest.approx(20, abs=0.1)

    on_scene(main)


def test_an_effect_that_takes_longer_than_it_may_is_looked_up() -> None:
    async def main(scene: Scene) -> None:
        scene.outside.after = [asyncio.Event()]
        _, (result,) = await scene.say([post(), "well"], tools=[poster(scene.outside, timeout=5)])
        assert (result.content, result.error) == ("posted hello", None)
        assert await scene.states() == [EffectState.DONE]

    on_scene(main)


def test_what_policy_denies_or_no_schema_allows_has_no_row() -> None:
    async def main(scene: Scene) -> None:
        risky = poster(scene.outside, risk="high")
        _, (denied,) = await scene.say([post(), "no"], tools=[risky])
        assert denied.error == "permission_denied"
        _, (*_, wrong) = await scene.say([call("post", txt="hello"), "no"], message="m2")
        assert wrong.error == "invalid_arguments"
        assert await rows(scene.store) == []
        assert scene.outside.log == []

    on_scene(main)


def test_an_account_that_cannot_be_told_is_an_error_of_the_call() -> None:
    def account(arguments: Any) -> str:
        raise AgentError(f"{arguments['text']} has no account", hint="name one")

    async def main(scene: Scene) -> None:
        _, (result,) = await scene.say([post(), "no"], tools=[poster(scene.outside, effect=account)])
        assert (result.error, result.content) == ("agent_error", "hello has no account\nHint: name one")
        assert await rows(scene.store) == []

    on_scene(main)


def test_what_an_open_circuit_refused_was_never_sent() -> None:
    async def main(scene: Scene) -> None:
        agent, model = posting_agent([post(), "no"], scene.store, [poster(scene.outside)], clock=scene.clock)
        async with agent:
            agent.guards.of("skills", "post").breaker.open(60)
            await agent.process_message("post!", session_id="s")
        assert results(model)[0].error == "circuit_open"
        assert await scene.states() == [EffectState.REJECTED]

    on_scene(main)


@pytest.mark.parametrize("acted", [True, False])
def test_a_turn_that_is_cancelled_leaves_an_effect_unknown(acted: bool) -> None:
    async def main(scene: Scene) -> None:
        (scene.outside.after if acted else scene.outside.before).append(asyncio.Event())
        agent, _ = posting_agent([[post(), post()]], scene.store, [poster(scene.outside)], clock=scene.clock)
        async with agent:
            turn = asyncio.create_task(agent.process_message("post!", session_id="s"))
            await scene.outside.entered.wait()
            await scene.clock.sleep(1)
            assert await agent.cancel("s")
            assert (await turn).status == "cancelled"
            log = [logged.event for logged in await scene.store.read(SESSION)]
        returned = [event.result for event in log if isinstance(event, ToolReturned)]
        assert [result.error for result in returned] == ["outcome_unknown"] * 2
        assert await scene.states() == [EffectState.UNKNOWN]

    on_scene(main)


def test_a_call_that_was_not_entered_when_the_turn_ended_did_not_act() -> None:
    async def main(scene: Scene) -> None:
        scene.outside.before = [asyncio.Event() for _ in range(16)]
        calls = [post(str(number)) for number in range(20)]
        agent, _ = posting_agent([calls], scene.store, [poster(scene.outside)], clock=scene.clock)
        async with agent:
            turn = asyncio.create_task(agent.process_message("post!", session_id="s"))
            await scene.outside.entered.wait()
            await scene.clock.sleep(1)
            await agent.cancel("s")
            await turn
        states = {row.arguments["text"]: row.state for row in await rows(scene.store)}
        assert [states[str(number)] for number in range(20)] == [EffectState.UNKNOWN] * 16 + [EffectState.REJECTED] * 4

    on_scene(main)


def test_a_turn_that_runs_out_of_time_leaves_an_effect_unknown() -> None:
    async def main(scene: Scene) -> None:
        scene.outside.after = [asyncio.Event()]
        reply, _ = await scene.say([post()], tools=[poster(scene.outside)])
        assert (reply.status, reply.reason) == ("limit", "seconds")
        assert await scene.states() == [EffectState.UNKNOWN]

    on_scene(main)


def test_results_that_no_row_could_hold_are_cut_there_and_nowhere_else() -> None:
    @tool(risk="low", effect=True)
    async def post(text: str) -> str:
        """Return a lot."""
        return "\ud800" + "\0" * 150_000

    async def main(scene: Scene) -> None:
        await scene.say([call("post", text="x"), call("post", text="x"), "well"], tools=[post])
        events = [logged.event for logged in await scene.store.read(SESSION)]
        first, again = (event.result for event in events if isinstance(event, ToolReturned))
        assert len(first.content) > 150_000
        assert "characters left out" in again.content
        (row,) = await rows(scene.store)
        assert row.state is EffectState.DONE

    on_scene(main)


@pytest.mark.parametrize(("hook", "state"), [("looks", EffectState.DONE), ("none", EffectState.UNKNOWN)])
def test_what_said_by_which_id_it_is_known_acted_whatever_it_raises_then(hook: Hook, state: EffectState) -> None:
    async def main(scene: Scene) -> None:
        @tool(risk="low", effect=True)
        async def post(ctx: Context, text: str) -> str:
            """Post something."""
            ctx.acted_as(await scene.outside.post(ctx.effect_key, text))
            raise AgentError("there is no such label")

        if hook == "looks":

            @post.reconcile
            async def find(effect: Effect, _ctx: Context) -> Happened | NotHappened:
                found = scene.outside.find(effect.key)
                return NotHappened() if found is None else Happened(f"posted {found}")

        await scene.say([call("post", text="hello"), call("post", text="hello"), "posted"], tools=[post])
        assert await scene.states() == [state]
        assert len(scene.outside.log) == 1

    on_scene(main)


def test_nobody_looks_while_a_thread_that_nothing_can_stop_is_still_at_it() -> None:
    may_go_on, ended = threading.Event(), threading.Event()

    async def main() -> None:
        clock, loop, begun = ManualClock(), asyncio.get_running_loop(), asyncio.Event()
        scene = Scene(clock)

        @tool(risk="low", effect=True, timeout=5)
        def post(ctx: Context, text: str) -> str:
            """Post something."""
            loop.call_soon_threadsafe(begun.set)
            may_go_on.wait(30)
            scene.outside.log.append(Act(ctx.effect_key, text))
            ended.set()
            return "posted"

        @post.reconcile
        async def find(effect: Effect, _ctx: Context) -> Happened | NotHappened:
            found = scene.outside.find(effect.key)
            return NotHappened() if found is None else Happened(f"posted {found}")

        again = call("post", text="hello")
        turn = asyncio.create_task(scene.say([again, again, "who knows"], tools=[post]))
        try:
            await begun.wait()
            await clock.advance(5)
            _, seen = await turn
        finally:
            may_go_on.set()
        assert await asyncio.to_thread(ended.wait, 30)
        assert [result.error for result in seen] == ["outcome_unknown", "outcome_unknown"]
        assert await scene.states() == [EffectState.UNKNOWN]
        assert len(scene.outside.log) == 1

    asyncio.run(main())


@pytest.mark.parametrize(
    "found", [Happened(cast("str", 17)), Happened("there", cast("str", 17)), Happened(cast("str", None))]
)
def test_a_hook_that_returns_nonsense_leaves_the_effect_unknown_not_sending(found: Happened) -> None:
    async def main(scene: Scene) -> None:
        broken = poster(scene.outside, "none")

        @broken.reconcile
        async def find(effect: Effect, ctx: Context) -> Happened:
            return found

        scene.outside.after.append(ConnectionResetError("gone"))
        _, (result,) = await scene.say([post(), "who knows"], tools=[broken])
        assert result.error == "outcome_unknown"
        assert await scene.states() == [EffectState.UNKNOWN]

    on_scene(main)


def test_the_code_of_an_error_can_be_anything() -> None:
    async def main(scene: Scene) -> None:
        scene.outside.before.append(AgentError("no", code="\ud800" * 2_000))
        await scene.say([post(), "no"])
        assert await scene.states() == [EffectState.REJECTED]

    on_scene(main)


@pytest.mark.parametrize("account", [None, 17, "\ud800", object()], ids=["none", "int", "half", "object"])
def test_an_account_that_is_no_text_is_told_to_the_model_and_nothing_is_sent(account: Any) -> None:
    async def main(scene: Scene) -> None:
        def account_of(_arguments: Any) -> Any:
            return account

        sender = poster(scene.outside, effect=account_of)
        reply, (result,) = await scene.say([post(), "no"], tools=[sender])
        assert (reply.status, result.error) == ("done", "tool_failed")
        assert await scene.states() == []

    on_scene(main)


def test_what_no_row_can_hold_is_not_sent_and_does_not_stop_the_session() -> None:
    async def main(scene: Scene) -> None:
        reply, (result,) = await scene.say([post(), "no"], message="m" * 900_000)
        assert (reply.status, result.error) == ("done", "invalid_arguments")
        assert await scene.states() == []
        reply, (*_, result) = await scene.say([post("\x00" * 60_000), "yes"], message="m" * 10_000)
        assert (reply.status, result.error) == ("done", None)

    on_scene(main)
