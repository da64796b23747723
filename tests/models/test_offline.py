import asyncio
from typing import Any, Literal

import pytest

from emonk.messages import AssistantMessage, Message, ToolCall, ToolMessage, ToolResult, tool_result, user
from emonk.models import ModelRequest, ModelResponse, Outcome, TextDelta, create
from emonk.models.offline import OfflineModel
from emonk.records import Usage
from emonk.skills.function import Tool, tool
from emonk.skills.index import skill_reader
from emonk.skills.skill import Skill

Platform = Literal["x", "twitter", "linkedin", "instagram"]


@tool(
    triggers=(
        "review the last commit",
        "review the last {commits} commits",
        "review {base}..{head}",
        "review {base}...{head}",
        "review the changes between {base} and {head}",
        "review {head} against {base}",
        "review the last commit of {repo}",
    )
)
def review(repo: str = ".", base: str = "", head: str = "HEAD", commits: int = 1) -> None:
    """Review the changes between two revisions of a git repository: bugs, security, missing tests."""


@tool(triggers=("analyze the codebase", "how big is the codebase", "analyze the codebase in {path}"))
def analyze_codebase(path: str = ".") -> None:
    """Describe a code base: files, lines, languages."""


@tool(triggers=("check this post for {platform}: {text}",))
def check_post(platform: Platform, text: str) -> None:
    """Check whether a post fits its platform."""


@tool(triggers=("write a post for {platform} about {topic}", "post about {topic} on {platform}"))
def generate_post(platform: Platform, topic: str, link: str = "") -> None:
    """Make a draft of a post from a template."""


@tool
def get_weather(city: str, days: int = 1) -> None:
    """Get the weather forecast of a city.

    Args:
        city: Where.
    """


@tool
def send_mail(recipient: str, urgent: bool = False, copies: int = 0, tags: list[str] | None = None) -> None:
    """Send a mail."""


TOOLS: tuple[Tool[..., Any], ...] = (review, analyze_codebase, check_post, generate_post)
OTHERS: tuple[Tool[..., Any], ...] = (get_weather, send_mail)


def answer(*messages: Message, tools: tuple[Tool[..., Any], ...] = TOOLS) -> ModelResponse:
    return asyncio.run(OfflineModel().generate(ModelRequest(messages, tools=tools)))


def call(text: str, tools: tuple[Tool[..., Any], ...] = TOOLS) -> tuple[str, dict[str, Any]] | None:
    response = answer(user(text), tools=tools)
    return (response.tool_calls[0].name, response.tool_calls[0].arguments) if response.tool_calls else None


@pytest.mark.parametrize(
    ("text", "name", "arguments"),
    [
        ("review the last commit", "review", {}),
        ("Please review the last commit!", "review", {}),
        ("reveiw teh last comit", "review", {}),
        ("review", "review", {}),
        ("please review main..feature", "review", {"base": "main", "head": "feature"}),
        ("review main...feature/x-1.", "review", {"base": "main", "head": "feature/x-1"}),
        ("review the changes between v1.0 and v1.1", "review", {"base": "v1.0", "head": "v1.1"}),
        ("Could you review the changes between v1.0 and v1.1?", "review", {"base": "v1.0", "head": "v1.1"}),
        ("review feature/x against main", "review", {"base": "main", "head": "feature/x"}),
        ("review the last 3 commits", "review", {"commits": 3}),
        ("review the last three commits, please", "review", {"commits": 3}),
        ("review the last commit of ../other", "review", {"repo": "../other"}),
        ("review the last commit of this repository", "review", {}),
        ("review base=v1 head=v2", "review", {"base": "v1", "head": "v2"}),
        ("analyze the codebase", "analyze_codebase", {}),
        ("analyse this codebase", "analyze_codebase", {}),
        ("how big is this codebase?", "analyze_codebase", {}),
        ("run a codebase analysis", "analyze_codebase", {}),
        ("analyze the codebase in src/emonk", "analyze_codebase", {"path": "src/emonk"}),
        ("check this post for x: Hello world", "check_post", {"platform": "x", "text": "Hello world"}),
        (
            "check the following linkedin post:\n\nWe did it!\nReally: yes.",
            "check_post",
            {"platform": "linkedin", "text": "We did it!\nReally: yes."},
        ),
        ('check "Sun & fun" for Instagram', "check_post", {"platform": "instagram", "text": "Sun & fun"}),
        ("check_post platform: x text: Hi you", "check_post", {"platform": "x", "text": "Hi you"}),
        (
            "write a LinkedIn post about our new release",
            "generate_post",
            {"platform": "linkedin", "topic": "our new release"},
        ),
        ("write a linkedin post about X and us", "generate_post", {"platform": "linkedin", "topic": "X and us"}),
        ("write a post about cats on linkedin", "generate_post", {"platform": "linkedin", "topic": "cats"}),
        ("post about spring on x", "generate_post", {"platform": "x", "topic": "spring"}),
    ],
)
def test_sentences_become_calls(text: str, name: str, arguments: dict[str, Any]) -> None:
    assert call(text) == (name, arguments)


@pytest.mark.parametrize(
    ("text", "name", "arguments"),
    [
        ("what's the weather in Paris?", "get_weather", {"city": "Paris"}),
        ("weather Paris 3 days", "get_weather", {"city": "Paris", "days": 3}),
        ("get weather city='New York' days=2", "get_weather", {"city": "New York", "days": 2}),
        ('send an urgent mail to "ada" with copies 2', "send_mail", {"recipient": "ada", "urgent": True, "copies": 2}),
        ("send mail to ada tags=red,blue", "send_mail", {"recipient": "ada", "tags": ["red", "blue"]}),
    ],
)
def test_tools_without_triggers_are_found_by_their_words(text: str, name: str, arguments: dict[str, Any]) -> None:
    assert call(text, OTHERS) == (name, arguments)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "hello",
        "Help!",
        "what can you do?",
        "thanks",
        "what's the weather",
        "the weather is nice",
        "tell me a joke about my code",
        "write a poem about spring",
        "review my relationship with my mother",
        "I wrote a review of my holiday in Spain yesterday",
        "preview the page",
    ],
)
def test_what_no_tool_means_gets_the_capabilities(text: str) -> None:
    response = answer(user(text))
    assert not response.tool_calls
    assert "No language model is configured" in response.text
    assert "**review**" in response.text
    assert "review the last commit" in response.text
    assert "GEMINI_API_KEY" in response.text


def test_a_missing_argument_is_asked_for_with_an_example() -> None:
    response = answer(user("write a post about spring"))
    assert not response.tool_calls
    assert "`platform`" in response.text
    assert "one of instagram, linkedin, twitter, x" in response.text
    assert "`topic`" not in response.text
    (sentence,) = [line for line in response.text.splitlines() if line.startswith("For example")]
    assert call(sentence.partition("“")[2].rstrip("”")) is not None


def test_between_two_tools_it_asks() -> None:
    response = answer(user("post this on x: hi"))
    assert not response.tool_calls
    assert "**check_post**" in response.text
    assert "**generate_post**" in response.text


def test_every_example_it_gives_is_understood() -> None:
    for line in answer(user("help"), tools=(*TOOLS, *OTHERS)).text.splitlines():
        if line.startswith("- **"):
            name, sentence = line[4:].partition("**")[0], line.partition("Say: “")[2].rstrip("”")
            made = call(sentence, (*TOOLS, *OTHERS))
            assert made is not None, sentence
            assert made[0] == name


def test_instructions_for_a_language_model_are_not_offered() -> None:
    reader = skill_reader([Skill(name="reviewing", description="d", body="Read.")])
    assert reader is not None
    response = answer(user("help"), tools=(review, reader))
    assert "load_skill" not in response.text
    assert call("load skill reviewing", (review, reader)) is None


def test_the_answer_has_the_form_of_any_model() -> None:
    planned = answer(user("review"))
    assert (planned.outcome, planned.finish_reason, planned.model) == (Outcome.TOOL_CALLS, "tool_calls", "offline")
    assert planned.usage == Usage()
    told = answer(user("hello"))
    assert (told.outcome, told.finish_reason) == (Outcome.COMPLETE, "stop")
    assert planned.tool_calls[0].id != answer(user("review")).tool_calls[0].id


def test_text_results_are_shown_as_they_are_and_say_who_planned() -> None:
    made = ToolCall("c1", "review", {})
    response = answer(user("review"), AssistantMessage((made,)), tool_result(made, "# All good\n\n- [x] done"))
    assert not response.tool_calls
    body, _, footer = response.text.rpartition("\n\n")
    assert body == "# All good\n\n- [x] done"
    assert footer.startswith("*No language model is configured")
    assert "\n" not in footer


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (
            '{"lines":3,"tags":["a","b"],"deep":{"ok":true}}',
            "- **lines**: 3\n- **tags**:\n  - a\n  - b\n- **deep**:\n  - **ok**: yes",
        ),
        (
            '[{"file":"a|b","lines":1},{"file":"c","lines":null}]',
            "| file | lines |\n| --- | --- |\n| a\\|b | 1 |\n| c | none |",
        ),
        ('["a",[1]]', "- a\n-\n  - 1"),
        ("{not json}", "{not json}"),
        ("[]", "[]"),
        ("{}", "{}"),
    ],
)
def test_json_results_are_made_readable(content: str, shown: str) -> None:
    assert answer(tool_result("c1", content, name="t")).text.rpartition("\n\n")[0] == shown


def test_an_error_is_told_with_its_hint_and_not_tried_again() -> None:
    result = tool_result("c1", "no such file\nHint: name one that is there", name="review", error="invalid_arguments")
    response = answer(user("review"), result)
    assert not response.tool_calls
    assert "**review** did not succeed (invalid_arguments): no such file" in response.text
    assert "name one that is there" in response.text


def test_several_results_are_told_apart() -> None:
    results = ToolMessage((ToolResult("c1", "one", "first"), ToolResult("c2", "two", "second")))
    assert answer(results).text.startswith("**one**\n\nfirst\n\n**two**\n\nsecond\n\n")


def test_without_tools_or_the_right_to_call_them_it_only_talks() -> None:
    assert "no tools" in answer(user("review"), tools=()).text
    request = ModelRequest([user("review the last commit")], tools=TOOLS, tool_choice="none")
    assert not asyncio.run(OfflineModel().generate(request)).tool_calls
    assert asyncio.run(OfflineModel().generate(ModelRequest([]))).text


def test_tools_may_change_between_calls() -> None:
    async def main() -> list[str]:
        model = create("offline")
        names: list[str] = []
        for tools in (TOOLS, OTHERS, TOOLS):
            response = await model.generate(ModelRequest([user("weather in Rome")], tools=tools))
            names += [made.name for made in response.tool_calls] or ["none"]
        await model.aclose()
        return names

    assert asyncio.run(main()) == ["none", "get_weather", "none"]


def test_a_stream_gives_the_text_in_pieces_and_then_the_whole() -> None:
    async def main() -> None:
        request = ModelRequest([user("hello")], tools=TOOLS)
        *pieces, whole = [piece async for piece in OfflineModel().stream(request)]
        assert isinstance(whole, ModelResponse)
        assert len(pieces) > 1
        assert "".join(piece.text for piece in pieces if isinstance(piece, TextDelta)) == whole.text

    asyncio.run(main())
