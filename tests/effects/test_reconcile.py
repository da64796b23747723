"""Looking later for what nobody knew when the turn ended."""

from typing import Any

import pytest

from emonk import Context, Effect, Happened, NotHappened, tool
from emonk.agent.reconcile import reconcile
from emonk.effects import unfinished
from emonk.records import EffectState, SessionKey
from emonk.store.record_protocol import Put
from emonk.testing.memory_store import MemoryDatabase
from emonk.testing.model import call
from emonk.testing.virtual_loop import SimClock, run
from tests.effects.outside import Hook, Outside, disagreements, poster, posting_agent, rows

SESSION = SessionKey("poster", "s")


def later(first: Hook, then: Hook, acted: bool, check: Any) -> None:
    """A turn that leaves its effect unknown, and another agent that looks."""

    async def main(clock: SimClock) -> None:
        outside, database = Outside(), MemoryDatabase(clock)
        (outside.after if acted else outside.before).append(ConnectionResetError("gone"))
        store = database.open()
        agent, _ = posting_agent(
            [call("post", text="hello"), "who knows"], store, [poster(outside, first)], clock=clock
        )
        async with agent:
            await agent.process_message("go", session_id="s")
        assert [row.state for row in await rows(store)] == [EffectState.UNKNOWN]
        agent, _ = posting_agent([], store, [poster(outside, then)], clock=clock)
        async with agent:
            settled = await reconcile(agent, "s", clock=clock)
            await check(store, settled)
            assert await reconcile(agent, "other", clock=clock) == []
        assert not disagreements(outside, await rows(store))

    run(main)


@pytest.mark.parametrize("acted", [True, False])
def test_what_can_be_looked_up_now_is_settled(acted: bool) -> None:
    async def check(store: Any, settled: Any) -> None:
        (row,) = await rows(store)
        assert settled == [row]
        assert row.state is (EffectState.DONE if acted else EffectState.REJECTED)
        assert (row.content, row.error) == (("posted hello", "") if acted else ("It did not happen.", "not_done"))
        assert await unfinished(store, SESSION) == []

    later("cannot tell", "looks", acted, check)


@pytest.mark.parametrize("then", ["none", "cannot tell", "fails", "hangs"])
def test_what_cannot_be_looked_up_stays_unknown(then: Hook) -> None:
    async def check(store: Any, settled: Any) -> None:
        assert settled == []
        assert len(await unfinished(store, SESSION)) == 1

    later("none", then, acted=True, check=check)


def test_whoever_settled_it_meanwhile_is_believed() -> None:
    async def main(clock: SimClock) -> None:
        outside, store = Outside(), MemoryDatabase(clock).open()
        outside.after.append(ConnectionResetError("gone"))
        post = poster(outside, "none")
        agent, _ = posting_agent([call("post", text="hello"), "who knows"], store, [post], clock=clock)
        async with agent:
            await agent.process_message("go", session_id="s")

            @post.reconcile
            async def overtaken(effect: Any, ctx: Any) -> Any:
                (record,) = await store.records("effects")
                put = Put(
                    namespace="effects",
                    key=record.key,
                    data=record.data,
                    expected_version=record.version,
                    session=record.session,
                    state="done",
                )
                await store.put([put])
                return NotHappened()

            assert callable(overtaken)
            assert await reconcile(agent, "s", clock=clock) == []
            assert [record.state for record in await store.records("effects")] == ["done"]

    run(main)


def test_who_looks_later_reaches_what_the_tool_reached() -> None:
    async def main(clock: SimClock) -> None:
        seen: list[bytes] = []

        @tool(risk="low", effect=True)
        async def post(ctx: Context, text: str) -> str:
            """Post something."""
            await ctx.records("posts").put(ctx.effect_key, text.encode(), expected_version=0)
            raise ConnectionResetError("gone")

        @post.reconcile
        async def find(effect: Effect, ctx: Context) -> Happened | None:
            record = await ctx.records("posts").get(effect.key)
            seen.append(record.data if record else b"")
            return Happened("posted") if len(seen) > 1 else None

        agent, _ = posting_agent(
            [call("post", text="hello"), "who knows"], MemoryDatabase(clock).open(), [post], clock=clock
        )
        async with agent:
            await agent.process_message("go", session_id="s")
            assert [effect.state for effect in await reconcile(agent, "s", clock=clock)] == [EffectState.DONE]
        assert seen == [b"hello", b"hello"]

    run(main)
