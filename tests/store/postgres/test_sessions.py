"""Sessions that lie in PostgreSQL, on the command line and in Python."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec import structs

from emonk import Agent
from emonk.errors import Conflict, SessionNotFound
from emonk.testing.model import ScriptedModel


def emonk(*arguments: str) -> str:
    code = "from emonk.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True, timeout=60
    ).stdout


def test_a_conversation_is_kept_listed_and_shown(database: str, tmp_path: Path) -> None:
    file = tmp_path / "agent.yaml"
    file.write_text(f"agent:\n  name: clerk\n  llm: {{model: offline}}\n  store: {database}\n")
    emonk("chat", str(file), "-m", "hello there", "--session", "s1")
    assert "hello there" in emonk("sessions", "list", "--agent", str(file))
    assert "hello there" in emonk("sessions", "show", "s1", "--agent", str(file))


def test_the_door_to_sessions_is_the_same_there(database: str) -> None:
    async def main() -> None:
        name = 'a/b \'"c" \0\n\U0001f412' + "x" * 10_000
        async with Agent("clerk", ScriptedModel(["hello"] * 2), store=database) as agent:
            await agent.sessions.create(name, session_id=name, title="nul \0", metadata={"nul": "\0", "n": [1.5, None]})
            await agent.process_message("nul \0", session_id=name, user_id=name)
            known = await agent.sessions.load(name, user_id=name)
            assert (known.metadata, known.revision) == ({"nul": "\0", "n": [1.5, None]}, 3)
            assert [one.session_id for one in (await agent.sessions.list(name)).sessions] == [name]
            with pytest.raises(SessionNotFound):
                await agent.sessions.load(name, user_id="bob")
            lines = [line async for line in agent.sessions.export(name)]
            assert await agent.sessions.import_(lines, session_id="copy") == structs.replace(known, session_id="copy")
            with pytest.raises(Conflict):
                await agent.sessions.import_(lines)
            assert (await agent.sessions.rename(name, "Trips")).title == "Trips"
            await agent.sessions.delete(name, user_id=name)
            removed = (await agent.sessions.prune(known.last_active)).sessions
            assert [one.session_id for one in removed] == ["copy"]
            assert (await agent.sessions.list()).sessions == ()

    asyncio.run(main())
