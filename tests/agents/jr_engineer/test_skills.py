"""The skills, through the agent that ships with emonk and no language model."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

import emonk.agents.jr_engineer
from emonk import Agent, Reply
from tests.agents.jr_engineer.repositories import Repo

AGENT = Path(emonk.agents.jr_engineer.__file__).with_name("agent.yaml")


def ask(*texts: str) -> Sequence[Reply]:
    async def main() -> list[Reply]:
        async with Agent.from_file(AGENT) as agent:
            return [await agent.process_message(text, session_id="s", user_id="u") for text in texts]

    return asyncio.run(main())


@pytest.fixture
def here(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> Repo:
    """Three commits, in the working directory."""
    repo.commit({"one.py": "import os\n"})
    repo.commit({"two.py": "import sys\n"})
    repo.commit({"three.py": "import re\n"})
    monkeypatch.chdir(repo.path)
    return repo


@pytest.mark.parametrize(
    ("text", "files"),
    [
        ("review the last commit", {"three.py"}),
        ("Please review my last commit!", {"three.py"}),
        ("review the last 2 commits", {"two.py", "three.py"}),
        ("review HEAD~2..HEAD~1", {"two.py"}),
        ("review the changes between HEAD~2 and HEAD", {"two.py", "three.py"}),
        ("review the changes since HEAD~2", {"two.py", "three.py"}),
        ("review main against HEAD~1", {"three.py"}),
    ],
)
def test_a_request_is_understood_without_a_language_model(here: Repo, text: str, files: set[str]) -> None:
    (reply,) = ask(text)
    assert reply.status == "done", reply
    assert {name for name in ("one.py", "two.py", "three.py") if f"`{name}:1` F401" in reply.text} == files


def test_another_repository_may_be_named(here: Repo, tmp_path: Path) -> None:
    other = Repo(tmp_path / "other")
    other.commit({"four.py": "import json\n"})
    (reply,) = ask(f"review the last commit of {other.path}")
    assert "`four.py:1` F401" in reply.text


def test_an_unknown_revision_is_explained(here: Repo) -> None:
    (reply,) = ask("review nope..HEAD")
    assert "unknown revision 'nope'" in reply.text


def test_a_code_base_is_described(here: Repo) -> None:
    (reply,) = ask("analyze the codebase")
    assert "3 files tracked by git, 3 lines" in reply.text
    assert "| Python | 3 | 3 |" in reply.text


def test_the_shipped_agent_needs_no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("EMONK_") and name != "EMONK_DATA_DIR"]:
        monkeypatch.delenv(name)
    assert Agent.from_file(AGENT).name == "jr-engineer"
