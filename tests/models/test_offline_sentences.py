"""What people wrote to the shipped agents without a language model, and what has to come of it."""

import asyncio
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from emonk.messages import user
from emonk.models import ModelRequest, ModelResponse
from emonk.models.offline import OfflineModel
from emonk.skills.function import tool
from emonk.skills.loader import load_skills
from emonk.skills.protocol import Runnable


def shipped(agent: str) -> list[Runnable]:
    folder = Path(str(files(f"emonk.agents.{agent}"))) / "skills"
    return [tool for skill in load_skills(folder) for tool in skill.tools]


@tool(triggers=("how big is {path}",))
def size_of(path: str) -> None:
    """Tell a size."""


@tool(triggers=("who is {person}", "what is {person}"))
def look_up(person: str) -> None:
    """Look somebody up."""


@tool(triggers=("weather in {city}",))
def weather(city: str, days: int = 1) -> None:
    """Tell the forecast."""


ENGINEER = shipped("jr_engineer")
MARKETING = shipped("marketing")
OTHERS = (size_of, look_up, weather)


def plan(text: str, tools: Any) -> ModelResponse:
    return asyncio.run(OfflineModel().generate(ModelRequest([user(text)], tools=tools)))


def called(text: str, tools: Any) -> list[tuple[str, dict[str, Any]]]:
    return [(call.name, call.arguments) for call in plan(text, tools).tool_calls]


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("review commit ee2bfc9", {"head": "ee2bfc9"}),
        ("review commit 1234567", {"head": "1234567"}),
        ("review commit v1.0, please", {"head": "v1.0"}),
        ("review commit ee2bfc9 of ../other", {"head": "ee2bfc9", "repo": "../other"}),
        ("review 82d1bbe", {"head": "82d1bbe"}),
        ("review HEAD~1", {"head": "HEAD~1"}),
        ("review HEAD", {"head": "HEAD"}),
        ("review commit HEAD~1", {"head": "HEAD~1"}),
        ("review last commit of branch main", {"head": "main"}),
        ("review the last commit of the main branch", {"head": "main"}),
        ("review the last commit of main", {"head": "main"}),
        ("review the last 3 commits on main", {"commits": 3, "head": "main"}),
        ("review the last commit", {}),
        ("review the last commit carefully", {}),
        ("review the last commit for bugs", {}),
        ("run a review of the last commit", {}),
        ("do a code review of my last 3 commits", {"commits": 3}),
        ("please review main..feature", {"base": "main", "head": "feature"}),
        ("review old...new", {"base": "old", "head": "new"}),
        ("review topic against main", {"base": "main", "head": "topic"}),
        ("review my branch against main", {"base": "main"}),
        ("review since old", {"base": "old"}),
        ("review the changes since old", {"base": "old"}),
        ("review since yesterday", {"base": "yesterday"}),
        ("review the last two commits", {"commits": 2}),
        ("review the last 3 commits", {"commits": 3}),
        ("review 3 commits", {"commits": 3}),
        ("review the last commit of ../other", {"repo": "../other"}),
        ("review the last 2 commits in /tmp/x", {"commits": 2, "repo": "/tmp/x"}),
        ("review the last commit of this repository", {}),
        ("reveiw teh last comit", {}),
        ("could you please review the last commit for me?", {}),
        ("hi, review the last commit!", {}),
        ("can you review my last commit", {}),
        ("what changed in the last commit?", {}),
        ("I'd like you to have a look at the last commit", {}),
        ("review the last commit of the repository at /tmp/x", {"repo": "/tmp/x"}),
        ("review the last commit in the repository /tmp/x", {"repo": "/tmp/x"}),
        ("review commits HEAD~3..HEAD", {"base": "HEAD~3", "head": "HEAD"}),
        ("review v1.0..v1.1 in ../other", {"base": "v1.0", "head": "v1.1", "repo": "../other"}),
        ("review from main to topic", {"base": "main", "head": "topic"}),
        ("show me what changed since main", {"base": "main"}),
    ],
)
def test_a_review_is_of_what_the_sentence_names(text: str, arguments: dict[str, Any]) -> None:
    assert called(text, ENGINEER) == [("review", arguments)]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("review the first commit", "first"),
        ("what changed yesterday?", "yesterday"),
        ("review commits from Ada", "Ada"),
        ("review everything", "everything"),
        ("review my branch", "branch"),
        ("review HEAD~1 and HEAD~3", "HEAD~3"),
        ("review the previous commit", "previous"),
        ("review branch topic", "topic"),
        ("review topic", "topic"),
        ("review the last week", "week"),
        ("review yesterday's commits", "yesterday's"),
    ],
)
def test_a_word_that_the_call_would_leave_out_is_told_instead_of_dropped(text: str, word: str) -> None:
    response = plan(text, ENGINEER)
    assert not response.tool_calls
    assert f"“{word}”" in response.text
    assert "have not run it" in response.text
    sentences = [line[2:] for line in response.text.splitlines() if line.startswith("- ")]
    assert len(sentences) > 3
    assert all(called(sentence, ENGINEER) for sentence in sentences)


@pytest.mark.parametrize("text", ["review the whole repository", "review the repository", "review pull request 12"])
def test_what_is_no_change_is_not_reviewed(text: str) -> None:
    assert not called(text, ENGINEER)


@pytest.mark.parametrize("text", ["review my uncommitted changes", "review the staged changes"])
def test_only_commits_are_reviewed(text: str) -> None:
    response = plan(text, ENGINEER)
    assert not response.tool_calls
    assert response.text.startswith("Nothing uncommitted")
    assert "only commits are" in response.text


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("how big is the codebase?", {}),
        ("how big is the codebase in src?", {"path": "src"}),
        ("how many lines of code does this repository have?", {}),
        ("what languages does /tmp use?", {"path": "/tmp"}),
    ],
)
def test_questions_about_a_code_base(text: str, path: dict[str, str]) -> None:
    assert called(text, ENGINEER) == [("analyze_codebase", path)]


@pytest.mark.parametrize(
    ("text", "name", "arguments"),
    [
        (
            "Write a tweet announcing version 2.0 with link https://example.com",
            "generate_post",
            {"platform": "tweet", "topic": "version 2.0", "link": "https://example.com"},
        ),
        (
            "Can you write me something for Instagram about espresso machines?",
            "generate_post",
            {"platform": "instagram", "topic": "espresso machines"},
        ),
        ("generate a tweet about cats", "generate_post", {"platform": "tweet", "topic": "cats"}),
        ("tweet about cats", "generate_post", {"platform": "tweet", "topic": "cats"}),
        (
            "draft a LinkedIn post on our new office",
            "generate_post",
            {"platform": "linkedin", "topic": "our new office"},
        ),
        ("write a linkedin post about our link building", "generate_post",
         {"platform": "linkedin", "topic": "our link building"}),
        ("is this ok for X? Hello, do you like it?", "check_post", {"platform": "x", "text": "Hello, do you like it?"}),
        ("check this tweet: Hello you", "check_post", {"platform": "tweet", "text": "Hello you"}),
        ("check this post for x: Buy now please", "check_post", {"platform": "x", "text": "Buy now please"}),
    ],
)  # fmt: skip
def test_posts_are_asked_for_in_many_ways(text: str, name: str, arguments: dict[str, str]) -> None:
    assert called(text, MARKETING) == [(name, arguments)]


@pytest.mark.parametrize("text", ["publish it on LinkedIn", "Please publish", "publish this post on LinkedIn: hello"])
def test_publishing_is_refused_rather_than_drafted(text: str) -> None:
    response = plan(text, MARKETING)
    assert not response.tool_calls
    assert response.text.startswith("Nothing can be published yet.")


@pytest.mark.parametrize(
    ("text", "name", "arguments"),
    [
        ("how big is /tmp", "size_of", {"path": "/tmp"}),
        ("How big is '/tmp/nc'?", "size_of", {"path": "/tmp/nc"}),
        ("How big is “/tmp/n c”?", "size_of", {"path": "/tmp/n c"}),
        ("who is Ada Lovelace?", "look_up", {"person": "Ada Lovelace"}),
        ("what is Ada?", "look_up", {"person": "Ada"}),
        ("weather in Berlin for 5 days?", "weather", {"city": "Berlin", "days": 5}),
        ("weather in New York?", "weather", {"city": "New York"}),
    ],
)
def test_a_placeholder_takes_its_value_and_nothing_around_it(text: str, name: str, arguments: dict[str, Any]) -> None:
    assert called(text, OTHERS) == [(name, arguments)]


def test_a_question_word_alone_is_no_trigger() -> None:
    assert not called("what can you do?", OTHERS)


def test_every_suggested_sentence_is_understood_as_it_is_meant() -> None:
    for tools in (ENGINEER, MARKETING, OTHERS):
        lines = [line for line in plan("help", tools).text.splitlines() if line.startswith("- **")]
        assert len(lines) == len(tools)
        for line in lines:
            ((name, arguments),) = called(line.partition("Say: “")[2].rstrip("”"), tools)
            assert line.startswith(f"- **{name}**")
            assert not any(str(value).startswith("is ") for value in arguments.values())


def test_how_to_set_a_model_is_told_as_everywhere() -> None:
    told = plan("help", ENGINEER).text
    assert "`EMONK_MODEL` to `gemini:NAME`" in told
    assert "llm.model" in told
    assert "GEMINI_API_KEY" in told
