"""An agent that has a memory: its users' own, its files, and where it is told that these cannot be reached."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from emonk import Agent, ConfigError
from emonk.errors import EmonkError, InvalidConfig, Unavailable
from emonk.memory.section import MemorySection
from emonk.testing.gcs import Fault, GcsServer
from emonk.testing.model import ScriptedModel

TOOLS = {
    "remember",
    "recall",
    "search_memory",
    "forget",
    "list_memory_files",
    "read_memory_file",
    "write_report",
}


def write_agent(folder: Path, memory: str = "", **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "memory").mkdir()
    for name, text in files.items():
        (folder / "memory" / f"{name}.md").write_text(text)
    (folder / "agent.yaml").write_text(
        f"agent:\n  name: clerk\n  llm: {{model: offline}}\n  system_prompt: Be a clerk.\n{memory}"
        f"  store: sqlite:///{folder / 'store.db'}\n"
    )
    return folder / "agent.yaml"


def test_it_remembers_for_each_user_and_across_sessions_and_restarts(tmp_path: Path) -> None:
    path = write_agent(tmp_path, "  memory: {backend: local}\n")

    async def ask(text: str, user_id: str) -> str:
        async with Agent.from_file(path) as agent:
            return (await agent.process_message(text, user_id=user_id)).text

    async def main() -> None:
        assert "Friday" in await ask("Remember that my deadline is Friday", "anna")
        assert "my deadline is Friday" in await ask("What do you remember about the deadline?", "anna")
        assert "my deadline" not in await ask("What do you remember about Friday?", "otto")
        assert "Nothing is remembered yet" in await ask("What do you remember?", "otto")

    asyncio.run(main())


def test_an_agent_without_a_memory_has_none_of_its_tools(tmp_path: Path) -> None:
    assert not {tool.name for tool in Agent.from_file(write_agent(tmp_path)).tools} & TOOLS
    assert {tool.name for tool in Agent("a", memory=True).tools} >= TOOLS
    with pytest.raises(InvalidConfig, match="two tools are named 'remember'"):
        Agent("a", memory=True, tools=[next(tool for tool in Agent("b", memory=True).tools if tool.name == "remember")])
    with pytest.raises(InvalidConfig, match="memory is 'local'"):
        Agent("a", memory="local")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("section", ["  memory:\n", "  memory: {}\n", "  memory: {backend: store}\n"])
def test_a_section_that_is_empty_is_a_memory_too(tmp_path: Path, section: str) -> None:
    assert {tool.name for tool in Agent.from_file(write_agent(tmp_path, section)).tools} >= TOOLS


async def instructions(agent: Agent, model: ScriptedModel) -> str:
    async with agent:
        await agent.process_message("hi")
    return model.requests[-1].instructions


def test_its_prompt_and_brand_voice_may_come_from_its_files(tmp_path: Path) -> None:
    path = write_agent(
        tmp_path, "  memory: {dir: memory}\n", SYSTEM_PROMPT="You are from the file.\n", BRAND_VOICE="Be brief."
    )

    async def main() -> None:
        model = ScriptedModel(["hello"])
        agent = Agent.from_file(path)
        made = agent._made  # pyright: ignore[reportPrivateUsage]
        agent._made = msgspec.structs.replace(made, models={"lead": model})  # pyright: ignore[reportPrivateUsage]
        said = await instructions(agent, model)
        assert said.startswith("You are from the file.\n\n# Brand voice (BRAND_VOICE.md)\n\nBe brief.\n\n# Skills\n")
        assert "Be a clerk." not in said
        assert [one for one in agent.notices if "SYSTEM_PROMPT.md" in one] == [
            "SYSTEM_PROMPT.md takes the place of the instructions in the agent's file"
        ]

    asyncio.run(main())


def test_without_these_files_the_instructions_are_as_they_were(tmp_path: Path) -> None:
    async def main() -> None:
        model = ScriptedModel(["hello"])
        agent = Agent("a", model, instructions="Be a clerk.", memory=MemorySection(dir=str(tmp_path / "none")))
        assert (await instructions(agent, model)).startswith("Be a clerk.\n\n# Skills\n- memory: ")
        assert not [one for one in agent.notices if "SYSTEM_PROMPT" in one]
        assert not (tmp_path / "none").exists()

    asyncio.run(main())


@pytest.mark.parametrize(("content", "said"), [(b"x" * 100_001, "longer than 100000"), (b"\xff", "not UTF-8")])
def test_a_prompt_that_cannot_be_used_is_said_at_the_start(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "SYSTEM_PROMPT.md").write_bytes(content)
    agent = Agent("a", memory=MemorySection(dir=str(tmp_path)))
    with pytest.raises(InvalidConfig, match=f"SYSTEM_PROMPT.md is {said}"):
        asyncio.run(agent.start())


def test_files_in_the_store_are_shared_by_all_that_share_the_store(tmp_path: Path) -> None:
    async def main() -> None:
        store = f"sqlite:///{tmp_path / 'store.db'}"
        section = MemorySection(backend="store")
        async with Agent("clerk", memory=section, store=store) as agent:
            files = await section.open("clerk", agent.store)
            await files.write("BRAND_VOICE.md", b"Be brief.", expected_generation=None)
        model = ScriptedModel(["hello"])
        assert "Be brief." in await instructions(Agent("clerk", model, memory=section, store=store), model)
        assert "Be brief." not in await instructions(Agent("other", model, memory=section, store=store), model)

    asyncio.run(main())


def test_a_bucket_is_used_and_its_prompt_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with GcsServer("emonk-jr-engineer-memory") as server:
            for name, value in server.environment.items():
                monkeypatch.setenv(name, value)
            section = MemorySection(backend="gcs", bucket="emonk-jr-engineer-memory", prefix="clerk")
            async with Agent("clerk", memory=section) as agent:
                files = await section.open("clerk", agent.store)
                await files.write("SYSTEM_PROMPT.md", b"From the bucket.", expected_generation=None)
                await files.aclose()
            model = ScriptedModel(["hello"])
            assert (await instructions(Agent("clerk", model, memory=section), model)).startswith("From the bucket.")
            assert [one.name for one in server.written] == ["clerk/SYSTEM_PROMPT.md"]
            failures: tuple[tuple[Fault, type[EmonkError]], ...] = (
                (503, Unavailable),
                ("drop", Unavailable),
            )
            for fault, kind in failures:
                server.fail(fault)
                with pytest.raises(kind):
                    await Agent("clerk", memory=section).start()
            server.fail(403)
            async with Agent("clerk", memory=section) as agent:
                assert "roles/storage.objectUser" in agent.notices[0]
            with pytest.raises(InvalidConfig, match="the bucket none does not exist"):
                await Agent("clerk", memory=MemorySection(backend="gcs", bucket="none")).start()

    asyncio.run(main())


def test_without_credentials_for_its_bucket_it_starts_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setattr("google.auth.compute_engine._metadata._NO_GCE_CHECK", True)  # no metadata server is asked
    path = write_agent(tmp_path / "agent", "  memory: {backend: gcs, bucket: b}\n")

    async def main() -> None:
        async with Agent.from_file(path) as agent:
            (notice,) = agent.notices
            assert notice.startswith("memory.backend gcs: not available: gs://b: ")
            assert "application-default login" in notice

    asyncio.run(main())


def test_a_bucket_must_be_named(tmp_path: Path) -> None:
    path = write_agent(tmp_path, "  memory: {backend: gcs}\n")
    with pytest.raises(ConfigError, match=r"agent\.yaml:5: agent\.memory: the backend gcs needs a bucket"):
        Agent.from_file(path)
