"""Extracts that are made again and again lose nothing but what there is no room for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emonk.messages import Message, ToolCall, UserMessage, assistant, tool_result, user
from emonk.models.offline import UNCONFIGURED, UNREACHABLE
from emonk.runtime.compression.digest import WORDS, digest

TITLES = ("Earlier", "Requests", "Decisions", "Tools", "Named", "Open questions")


def sections(extracts: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in extracts.splitlines()[1:]:
        if line.startswith("- "):
            found[list(found)[-1]].append(line[2:])
        else:
            assert line[:-1] in TITLES
            assert line[:-1] not in found
            found[line[:-1]] = []
    return found


def turn(number: int) -> list[Message]:
    return [
        user(f"Request {number}: look at ISSUE-{number} in src/app/part{number}.py, {'carefully ' * 12}please."),
        assistant(tool_calls=[ToolCall(f"c{number}", "look", {"at": number})]),
        tool_result(f"c{number}", f"part {number} is fine " * 9, name="look"),
        assistant(f"We decided on plan {number} {'for good reasons ' * 5}. Shall I do part {number} next?"),
    ]


def folded(turns: int, *, characters: int = 4000) -> str:
    told = ""
    for number in range(turns):
        told = digest(turn(number), told, characters=characters)
    return told


@pytest.mark.parametrize("characters", [1200, 2000, 4000])
def test_extracts_folded_many_times_keep_every_section_and_the_newest_of_each(characters: int) -> None:
    found = sections(folded(30, characters=characters))

    assert list(found) == ["Requests", "Decisions", "Tools", "Named", "Open questions"]
    assert found["Requests"][-1].startswith("Request 29:")
    assert found["Decisions"][-1].startswith("We decided on plan 29")
    assert found["Tools"][-1].startswith("look(at=29)")
    assert "src/app/part29.py" in found["Named"][0]
    assert found["Open questions"][-1] == "Shall I do part 29 next?"


def test_earlier_requests_stay_beside_newer_ones_while_there_is_room() -> None:
    requests = sections(folded(5))["Requests"]
    assert [line[:10] for line in requests] == [f"Request {number}:" for number in range(5)]


def test_a_line_that_is_said_again_stands_once_as_the_newest() -> None:
    told = digest([user("Deploy it."), user("Test it.")], "")
    assert sections(digest([user("Deploy it.")], told))["Requests"] == ["Test it.", "Deploy it."]


def test_what_a_section_does_not_need_goes_to_the_others() -> None:
    requests = [user(f"Request {number} " + "and-more-of-it " * 8) for number in range(12)]
    assert len(sections(digest(requests, ""))["Requests"]) == 12


def test_a_summary_by_a_model_is_kept_in_part_through_every_fold() -> None:
    told = "The user is Ann.\nRequests:\n- She wants a report. " + "It goes on. " * 400
    for number in range(10):
        told = digest(turn(number), told)
    earlier = sections(told)["Earlier"]
    assert earlier[:2] == ["The user is Ann.", "Requests:"]
    assert 300 < sum(map(len, earlier)) < 4000 // 3


def test_extracts_that_were_nested_before_are_taken_apart() -> None:
    nested = "(Extracts, not written by a model.)\nEarlier:\nEarlier:\nRequests:\n- One.\nRequests:\n- Two."
    assert sections(digest([user("Three.")], nested)) == {"Requests": ["One.", "Two.", "Three."]}


@pytest.mark.parametrize("voice", [UNCONFIGURED, UNREACHABLE])
def test_what_the_offline_planner_says_of_itself_is_no_decision(voice: object) -> None:
    assert isinstance(voice, type(UNCONFIGURED))
    own = [
        assistant(
            f"{voice.why}, so I only match your words to what I can do:\n\n- review: it will. Say: “review /tmp/x”"
        ),
        assistant(f"I would use **review**, but which file must it be?\n\n{voice.answers}"),
        assistant(f"You should always test.\n\n{voice.footer}"),
    ]
    older = f"(Extracts, not written by a model.)\nDecisions:\n- {voice.why}, so I only match your words"
    assert sections(digest([user("Hello."), *own], older)) == {"Requests": ["Hello."]}


_words = st.sampled_from(
    ["decided", "must", "Requests:", "-", "a/b.py", "ISSUE-7", "why?", "\n", "- x", "…", "Earlier:"]
)
_texts = st.lists(_words | st.text(max_size=40), max_size=40).map(" ".join)
_messages = st.lists(
    _texts.map(user) | _texts.map(assistant) | _texts.map(lambda text: tool_result("c", text, name="t")), max_size=6
)


@given(st.lists(_messages, min_size=1, max_size=6), _texts, st.integers(0, 4000), st.integers(1, WORDS))
def test_folding_is_stable_and_stays_within_the_length(
    folds: list[list[Message]], first: str, characters: int, words: int
) -> None:
    told = first
    for messages in folds:
        told = digest(messages, told, words=words, characters=characters)
        assert len(told) <= max(1, characters)
        assert len(told.split()) <= words
    if characters >= 400 and words >= 60:
        found = sections(told)
        requests = [
            " ".join(one.text.split()) for one in folds[-1] if isinstance(one, UserMessage) and one.text.strip()
        ]
        assert not requests or requests[-1].startswith(found["Requests"][-1].removesuffix("…"))
        assert digest([], told, words=words, characters=characters) == told
