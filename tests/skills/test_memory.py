"""What a model remembers belongs to the user of the call, whatever the model says."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from emonk.errors import Conflict, InvalidArguments, InvalidConfig
from emonk.memory.doors import Kept
from emonk.memory.memories import KEY_LENGTH, MEMORIES, TEXT_LENGTH
from emonk.messages import user
from emonk.models.offline import OfflineModel
from emonk.models.protocol import ModelRequest
from emonk.records import RiskLevel
from emonk.skills.files import FILES_SKILL
from emonk.skills.memory import MEMORY_SKILL
from emonk.skills.protocol import Context
from emonk.testing.clock import ManualClock
from emonk.testing.memory_store import MemoryDatabase
from tests.skills.calls import context

TOOLS = {tool.name: tool for tool in MEMORY_SKILL.tools}

Call = Callable[..., Awaitable[str]]
Work = Callable[[Call], Awaitable[None]]


def kept(agent: str = "test") -> Kept:
    return Kept(agent, MemoryDatabase(ManualClock()).open())


def with_memory(work: Work) -> None:
    """Call tools as `call(NAME, user_id, **arguments)`."""

    async def main() -> None:
        doors = kept().doors

        async def call(name: str, user_id: str, /, **arguments: Any) -> str:
            return await TOOLS[name].run(arguments, context(user_id=user_id, doors=doors(user_id)))

        await work(call)

    asyncio.run(main())


def test_what_was_remembered_is_recalled_found_and_forgotten() -> None:
    async def work(call: Call) -> None:
        said = await call("remember", "anna", text="The deadline is Friday.", key="Deadline")
        assert said == "Remembered under 'deadline': The deadline is Friday."
        assert await call("recall", "anna", key=" DEADLINE ") == "The deadline is Friday."
        assert await call("search_memory", "anna", query="friday") == "- deadline: The deadline is Friday."
        assert await call("remember", "anna", text="It is Monday.", key="deadline") == (
            "Remembered under 'deadline': It is Monday."
        )
        assert await call("recall", "anna") == "- deadline: It is Monday."
        assert await call("forget", "anna", key="deadline") == "Forgot what was remembered under 'deadline'."
        assert await call("forget", "anna", key="deadline") == "Nothing is remembered under 'deadline'."
        assert await call("recall", "anna", key="deadline") == "Nothing is remembered under 'deadline'."
        assert await call("recall", "anna") == "Nothing is remembered yet."
        assert await call("search_memory", "anna", query="friday") == "Nothing is remembered about 'friday'."

    with_memory(work)


def test_what_has_no_key_is_its_own() -> None:
    async def work(call: Call) -> None:
        await call("remember", "anna", text="My deadline is Friday.")
        await call("remember", "anna", text="my  deadline is Friday")
        assert await call("recall", "anna") == "- my  deadline is Friday"
        assert await call("recall", "anna", key="deadline") == (
            "Nothing is remembered under 'deadline'. These hold its words:\n- my  deadline is Friday"
        )
        with pytest.raises(InvalidArguments, match="needs a key"):
            await call("remember", "anna", text="x" * (KEY_LENGTH + 1))

    with_memory(work)


def test_nobody_reaches_the_memories_of_another() -> None:
    async def work(call: Call) -> None:
        await call("remember", "anna", text="The code is 1234.", key="code")
        await call("remember", "otto", text="The code is 9999.", key="code")
        assert await call("recall", "otto", key="code") == "The code is 9999."
        assert await call("search_memory", "eve", query="code 1234") == "Nothing is remembered about 'code 1234'."
        assert await call("recall", "eve") == "Nothing is remembered yet."
        assert await call("forget", "eve", key="code") == "Nothing is remembered under 'code'."
        assert await call("recall", "anna", key="code") == "The code is 1234."
        for name in TOOLS:
            with pytest.raises(InvalidArguments, match="is no parameter"):
                await call(name, "eve", key="code", text="x", query="code", user_id="anna")

    with_memory(work)


def test_agents_of_one_store_remember_apart() -> None:
    async def main() -> None:
        store = MemoryDatabase(ManualClock()).open()
        one, other = (Kept(agent, store).doors("anna") for agent in ("one", "other"))
        await one.memory.remember("code", "1234")
        assert await other.memory.recall("code") is None
        await one.records("plans").put("a", b"1", expected_version=0)
        assert await other.records("plans").get("a") is None

    asyncio.run(main())


def test_a_loop_cannot_fill_the_store() -> None:
    async def work(call: Call) -> None:
        for number in range(MEMORIES):
            await call("remember", "anna", text=f"fact {number}", key=f"fact {number}")
        with pytest.raises(InvalidArguments, match="forget one"):
            await call("remember", "anna", text="one more")
        await call("remember", "anna", text="changed", key="fact 7")
        assert (await call("recall", "anna")).endswith(f"... and {MEMORIES - 20} more")
        await call("remember", "otto", text="his own")
        await call("forget", "anna", key="fact 1")
        await call("remember", "anna", text="one more")

    with_memory(work)


@pytest.mark.parametrize(
    "arguments",
    [
        {"text": " "},
        {"text": "x" * (TEXT_LENGTH + 1), "key": "x"},
        {"text": "x", "key": "x" * (KEY_LENGTH + 1)},
        {"text": "\ud800", "key": "x"},
        {"text": "x", "key": "\udfff"},
    ],
)
def test_what_cannot_be_remembered_is_said_and_nothing_is_kept(arguments: dict[str, Any]) -> None:
    async def work(call: Call) -> None:
        with pytest.raises(InvalidArguments):
            await call("remember", "anna", **arguments)
        assert await call("recall", "anna") == "Nothing is remembered yet."

    with_memory(work)


def test_its_tools_are_harmless_to_repeat() -> None:
    for tool in (*MEMORY_SKILL.tools, *FILES_SKILL.tools):
        assert (tool.risk, tool.idempotent) == (RiskLevel.LOW, True)


@pytest.mark.parametrize(
    ("said", "name", "arguments"),
    [
        ("Remember that my deadline is Friday", "remember", {"text": "my deadline is Friday"}),
        ("please remember that the launch is on 3 May", "remember", {"text": "the launch is on 3 May"}),
        ("What do you remember about the deadline?", "search_memory", {"query": "the deadline"}),
        ("what do you remember?", "recall", {}),
        ("Forget my deadline", "forget", {"key": "my deadline"}),
    ],
)
def test_the_offline_model_finds_them(said: str, name: str, arguments: dict[str, Any]) -> None:
    async def main() -> None:
        tools = (*MEMORY_SKILL.tools, *FILES_SKILL.tools)
        response = await OfflineModel().generate(ModelRequest(messages=(user(said),), tools=tools))
        assert [(call.name, call.arguments) for call in response.tool_calls] == [(name, arguments)]

    asyncio.run(main())


def test_a_call_outside_of_an_agent_says_what_it_lacks() -> None:
    for door in (lambda: context().memory, lambda: context().files, lambda: context().records("x")):
        with pytest.raises(InvalidConfig, match=r"the (call|agent) has no"):
            door()


def test_records_of_a_tenant_are_apart_from_those_of_emonk_and_change_by_their_version() -> None:
    async def main() -> None:
        clock = ManualClock()
        store = MemoryDatabase(clock).open()
        ctx: Context = context(doors=Kept("test", store).doors("anna"))
        campaigns = ctx.records("effects")  # a name of emonk's own is another place here
        first = await campaigns.put("spring", b"1", expected_version=0, state="planned")
        assert (first.namespace, first.key, first.data, first.version) == ("effects", "spring", b"1", 1)
        assert await store.record("effects", "spring") is None
        with pytest.raises(Conflict):
            await campaigns.put("spring", b"2", expected_version=0)
        due = int(clock.time() * 1_000_000) + 5_000_000
        second = await campaigns.put("spring", b"2", expected_version=1, state="running", due_at=due)
        assert await campaigns.list(state="planned") == ()
        assert await campaigns.list(prefix="spr") == (second,)
        assert await campaigns.due() == ()
        await clock.advance(6.0)
        assert await ctx.records("effects").due() == (second,)
        await campaigns.remove("spring", expected_version=2)
        assert await campaigns.get("spring") is None

    asyncio.run(main())
