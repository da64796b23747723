import asyncio
from importlib.resources import files
from pathlib import Path

import pytest

from emonk import Context
from emonk.agent.file import not_available, read_agent_file
from emonk.clock import SYSTEM_CLOCK
from emonk.errors import InvalidArguments
from emonk.models.offline.match import Catalogue
from emonk.records import RiskLevel
from emonk.skills.loader import load_skills
from emonk.skills.protocol import Runnable

FOLDER = Path(str(files("emonk.agents.marketing")))
CONTEXT = Context(
    agent="marketing", session_id="s", user_id="u", call_id="c", trace_id="t",
    clock=SYSTEM_CLOCK, deadline=None, progress=lambda line: None,
)  # fmt: skip


def tools() -> dict[str, Runnable]:
    return {tool.name: tool for skill in load_skills(FOLDER / "skills") for tool in skill.tools}


def run(name: str, **arguments: str) -> str:
    return asyncio.run(tools()[name].run(arguments, CONTEXT))


def test_the_shipped_agent_needs_nothing_to_start() -> None:
    section = read_agent_file(FOLDER / "agent.yaml")
    assert (section.name, section.llm.model) == ("marketing", "offline")
    assert not_available(section, FOLDER) == []
    skills = load_skills(FOLDER / (section.skills_dir or ""))
    assert [(skill.name, skill.available) for skill in skills] == [("check-post", True), ("generate-post", True)]
    assert all(tool.risk is RiskLevel.LOW and tool.idempotent for tool in tools().values())


def test_the_model_can_be_set_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMONK_MODEL", "gemini:gemini-2.0-flash")
    assert read_agent_file(FOLDER / "agent.yaml").llm.model == "gemini:gemini-2.0-flash"


def test_check_post_says_whether_and_why_not() -> None:
    assert run("check_post", platform="twitter", text="Hello, world") == "The post fits X: length 12 of 280."
    assert run("check_post", platform="x", text="a" * 300) == (
        "The post does not fit X: length 300 of 280.\n- Problem: 20 over the limit: 300 of 280."
    )


def test_generate_post_marks_its_draft() -> None:
    text = run("generate_post", platform="x", topic="the 2.0 release", link="https://example.com")
    assert text.startswith("Draft from a template, no language model wrote it.")
    assert "\nthe 2.0 release: [" in text
    assert "The post fits X" in text


def test_a_platform_that_is_none_goes_back_to_the_model() -> None:
    with pytest.raises(InvalidArguments):
        run("check_post", platform="facebook", text="hello")


@pytest.mark.parametrize(
    ("text", "tool", "arguments"),
    [
        ("check this post for X: Hi, see https://a.com!", "check_post", {"platform": "x", "text": "Hi, see https://a.com!"}),
        ("Check this LinkedIn post: We launched", "check_post", {"platform": "linkedin", "text": "We launched"}),
        ("is this too long for twitter: abc", "check_post", {"platform": "twitter", "text": "abc"}),
        ("write an instagram post about cats", "generate_post", {"platform": "instagram", "topic": "cats"}),
        ("Write a post for X about the 2.0 release", "generate_post", {"platform": "x", "topic": "the 2.0 release"}),
    ],
)  # fmt: skip
def test_what_people_say_finds_the_tool_without_a_language_model(
    text: str, tool: str, arguments: dict[str, str]
) -> None:
    (plan,) = Catalogue(tuple(tools().values())).plans(text)
    assert (plan.tool.name, plan.arguments) == (tool, arguments)
