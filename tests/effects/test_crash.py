"""A process that ends at any moment, once or several times, and the one that goes on."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emonk.errors import Unavailable
from emonk.events import InboxItem, ToolReturned
from emonk.messages import AssistantMessage, ToolMessage
from emonk.models.protocol import ModelRequest
from emonk.records import EffectState, Lease, Owner, Record, SessionKey
from emonk.store.protocol import Accepted, Claimed, Operation
from emonk.testing.memory_store import MemoryDatabase, MemoryStore
from emonk.testing.model import call
from emonk.testing.virtual_loop import SimClock, run
from tests.effects.outside import Hook, Outside, disagreements, poster, posting_agent, rows

SESSION = SessionKey("poster", "s")
STEPS = (["a"], ["b", "b"], ["a", "c"])
LEASE = 31.0

When = Literal["before", "after"]


class Crash(NamedTuple):
    """A process ends at its commit of this number, or while the outside has its request of this number."""

    what: Literal["commit", "request"]
    number: int
    when: When


class MortalStore(MemoryStore):
    """The store of a process that ends: from then on nothing that it does reaches the database."""

    crash: Crash | None = None
    died: asyncio.Event
    commits = 0

    def commit(self, operations: Sequence[Operation], *, fence: Lease, expected_revision: int) -> asyncio.Future[int]:
        self.commits += 1
        dies = self.crash is not None and self.crash[:2] == ("commit", self.commits)
        if dies and self.crash is not None and self.crash.when == "after":
            super().commit(operations, fence=fence, expected_revision=expected_revision).exception()
        if dies:
            self.died.set()
        if not self.died.is_set():
            return super().commit(operations, fence=fence, expected_revision=expected_revision)
        gone: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        gone.set_exception(Unavailable("the process is gone"))
        return gone

    async def accept(self, item: InboxItem, *, owner: Owner | None = None) -> Accepted:
        self._check()
        return await super().accept(item, owner=owner)

    async def claim(self, session: SessionKey, owner: Owner) -> Claimed | None:
        self._check()
        return await super().claim(session, owner)

    async def record(self, namespace: str, key: str) -> Record | None:
        self._check()
        return await super().record(namespace, key)

    async def records(self, namespace: str, **wanted: Any) -> list[Record]:
        self._check()
        return await super().records(namespace, **wanted)

    def _check(self) -> None:
        if self.died.is_set():
            raise Unavailable("the process is gone")


def answer(request: ModelRequest) -> Any:
    """The model goes through the steps, wherever the turn is; every call has an id of its own."""
    earlier = sum(isinstance(message, AssistantMessage) and message.text == "who knows" for message in request.messages)
    done = sum(isinstance(message, ToolMessage) for message in request.messages) - earlier
    return [call("post", text=text) for text in STEPS[done]] if done < len(STEPS) else "well"


class World:
    def __init__(self, clock: SimClock, hook: Hook) -> None:
        self.clock = clock
        self.hook: Hook = hook
        self.database = MemoryDatabase(clock)
        self.outside = Outside()

    async def leave_unknown(self, *, acted: bool) -> None:
        """An earlier turn does the first step, and does not hear of it."""
        (self.outside.after if acted else self.outside.before).append(ConnectionResetError("gone"))
        script = [call("post", text="a"), "who knows"]
        agent, _ = posting_agent(script, self.database.open(), [poster(self.outside, "none")], clock=self.clock)
        async with agent:
            await agent.process_message("go", session_id="s", message_id="earlier")
        assert [effect.state for effect in await rows(self.database.open())] == [EffectState.UNKNOWN]

    async def live(self, crash: Crash | None) -> Any:
        """One process: its reply, or None when it ended before."""
        outside, store = self.outside, MortalStore(self.database)
        store.crash, store.died = crash, asyncio.Event()
        outside.dead, outside.before, outside.after = False, [], []
        if crash is not None and crash.what == "request":
            faults = outside.before if crash.when == "before" else outside.after
            faults += [None] * (crash.number - 1) + [DeathOf(store)]
        agent, _ = posting_agent(answer, store, [poster(outside, self.hook)], clock=self.clock)
        async with agent:
            turn = asyncio.create_task(agent.process_message("go", session_id="s", message_id="m"))
            death = asyncio.create_task(store.died.wait())
            await asyncio.wait({turn, death}, return_when=asyncio.FIRST_COMPLETED)
            outside.dead = store.died.is_set()
            death.cancel()
            if not outside.dead:
                return await turn
            turn.cancel()
            await asyncio.gather(turn, return_exceptions=True)
        await self.clock.sleep(LEASE)
        return None


class DeathOf(asyncio.Event):
    """Waiting for it is the end."""

    def __init__(self, store: MortalStore) -> None:
        super().__init__()
        self._store = store

    async def wait(self) -> Literal[True]:
        self._store.died.set()
        return await super().wait()


def play(
    hook: Hook, crashes: Sequence[Crash], check: Callable[[World, Any], Any], *, earlier_acted: bool | None = None
) -> None:
    async def main(clock: SimClock) -> None:
        world = World(clock, hook)
        if earlier_acted is not None:
            await world.leave_unknown(acted=earlier_acted)
        for crash in crashes:
            if (reply := await world.live(crash)) is not None:
                break
        else:
            reply = await world.live(None)
        await check(world, reply)

    run(main)


async def nothing_twice_and_nothing_lost(world: World, reply: Any) -> None:
    ledger = await rows(world.database.open())
    assert not disagreements(world.outside, ledger)
    log = [logged.event for logged in await world.database.open().read(SESSION)]
    returned = [event.result for event in log if isinstance(event, ToolReturned)]
    assert len(returned) == len({result.call_id for result in returned})
    if reply.status != "done":
        assert (world.hook != "looks", reply.status, reply.reason) == (True, "failed", "outcome_unknown")
        return
    assert len(returned) == sum(map(len, STEPS))
    if world.hook == "looks":
        assert sorted(act.text for act in world.outside.log) == ["a", "b", "c"]
        assert {effect.state for effect in ledger} == {EffectState.DONE}
        assert all(result.error is None for result in returned)
        return
    for effect in ledger:
        if effect.state is EffectState.UNKNOWN:
            assert any(result.error == "outcome_unknown" for result in returned)
        else:
            assert effect.state is EffectState.DONE


POINTS = [
    *(Crash("commit", number, when) for number in range(1, 8) for when in ("before", "after")),
    *(Crash("request", number, when) for number in range(1, 4) for when in ("before", "after")),
]


@pytest.mark.parametrize("crash", POINTS, ids=str)
@pytest.mark.parametrize("hook", ["looks", "cannot tell", "none"])
def test_a_process_that_ends_anywhere_does_nothing_twice(hook: Hook, crash: Crash) -> None:
    play(hook, [crash], nothing_twice_and_nothing_lost)


@settings(max_examples=150)
@given(
    hook=st.sampled_from(["looks", "cannot tell", "none", "fails"]),
    crashes=st.lists(
        st.builds(
            Crash, st.sampled_from(["commit", "request"]), st.integers(1, 7), st.sampled_from(["before", "after"])
        ),
        min_size=2,
        max_size=6,
    ),
)
def test_nor_do_processes_that_end_one_after_the_other(hook: Hook, crashes: list[Crash]) -> None:
    play(hook, crashes, nothing_twice_and_nothing_lost)


async def nothing_of_two_turns_twice(world: World, reply: Any) -> None:
    ledger = await rows(world.database.open())
    assert not disagreements(world.outside, ledger)
    acted = [act.text for act in world.outside.log]
    assert len(acted) == len(set(acted))
    if world.hook == "looks":
        assert (reply.status, sorted(acted)) == ("done", ["a", "b", "c"])
        assert not [effect for effect in ledger if effect.state is EffectState.UNKNOWN]


CRASHES = st.builds(
    Crash, st.sampled_from(["commit", "request"]), st.integers(1, 7), st.sampled_from(["before", "after"])
)


@settings(max_examples=150)
@given(
    hook=st.sampled_from(["looks", "cannot tell", "none"]),
    crashes=st.lists(CRASHES, max_size=4),
    acted=st.booleans(),
)
def test_nor_is_done_twice_what_an_earlier_turn_left_unknown(hook: Hook, crashes: list[Crash], acted: bool) -> None:
    play(hook, crashes, nothing_of_two_turns_twice, earlier_acted=acted)


def test_a_look_that_finds_nothing_lets_the_call_go_again_under_the_same_key() -> None:
    async def check(world: World, reply: Any) -> None:
        (row,) = [effect for effect in await rows(world.database.open()) if effect.arguments["text"] == "a"]
        assert (row.attempts, row.state) == (2, EffectState.DONE)
        assert [act.key for act in world.outside.log if act.text == "a"] == [row.key]
        assert world.outside.looks == 1

    play("looks", [Crash("request", 1, "before")], check)


def test_a_look_that_finds_it_gives_the_call_its_result() -> None:
    async def check(world: World, reply: Any) -> None:
        (row,) = [effect for effect in await rows(world.database.open()) if effect.arguments["text"] == "a"]
        assert (row.attempts, row.state, row.remote_id) == (1, EffectState.DONE, "found a")

    play("looks", [Crash("request", 1, "after")], check)


def test_a_turn_that_is_cancelled_before_it_goes_on_leaves_unknown_what_a_crash_cut_off() -> None:
    async def main(clock: SimClock) -> None:
        world = World(clock, "looks")
        await world.live(Crash("request", 1, "after"))
        world.outside.dead = False
        agent, _ = posting_agent(answer, world.database.open(), [poster(world.outside)], clock=clock)
        async with agent:
            turn = asyncio.create_task(agent.process_message("go", session_id="s", message_id="m"))
            await asyncio.sleep(0)
            turn.cancel()
            await asyncio.gather(turn, return_exceptions=True)
            reply = await agent.process_message("go", session_id="s", message_id="m")
        assert reply.status == "cancelled"
        (row,) = await rows(world.database.open())
        assert row.state in (EffectState.UNKNOWN, EffectState.DONE)
        assert not disagreements(world.outside, [row])

    run(main)
