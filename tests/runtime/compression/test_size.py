"""How large a conversation is, and what need not be counted."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from emonk.messages import AssistantMessage, Message, Text, ToolCall, ToolMessage, ToolResult, assistant, user
from emonk.models.tokens import FAMILIES, UNKNOWN, Family, bounds, tokens_of_message
from emonk.records import Usage
from emonk.runtime.compression.size import ContextSize

texts = st.text(max_size=60) | st.text("\U0001f600\U0001f9d1é漢1;", max_size=60)
families = st.sampled_from([UNKNOWN, *FAMILIES.values()])
usages = st.builds(Usage, *(st.integers(0, 400) for _ in range(3)))


def calling(text: str, words: str) -> AssistantMessage:
    return assistant(text, tool_calls=[ToolCall("c", "t", {"w": words})])


def returned(text: str) -> ToolMessage:
    return ToolMessage((ToolResult("c", "t", text),))


answers = st.builds(calling, texts, texts)
messages = st.builds(user, texts) | answers | st.builds(returned, texts)
steps = st.lists(st.tuples(st.lists(messages, max_size=3), usages, answers), max_size=4)


@given(messages, families)
def test_no_message_takes_more_than_its_bound(message: Message, family: Family) -> None:
    assert tokens_of_message(message, family) <= bounds(message, family)[1]


@given(steps, families, st.integers(0, 3000), st.floats(0.5, 2.0))
def test_what_is_surely_below_a_limit_is_below_it(
    steps: Sequence[tuple[list[Message], Usage, AssistantMessage]], family: Family, limit: int, scale: float
) -> None:
    looked, counted = (ContextSize("gemini:gemini-3", family, 50, scale=scale) for _ in range(2))
    said: list[Message] = []
    for new, usage, answer in steps:
        said += new
        surely = looked.surely_below(said, limit)
        assert not surely or counted.of(said) <= limit
        for size in (looked, counted):
            size.reported(said, usage)
            size.answered(answer)
        said.append(answer)
    assert looked.surely_below(said, limit) <= (counted.of(said) <= limit)
    assert looked.of(said) == counted.of(said)


def test_what_was_reported_is_not_counted_again() -> None:
    said: list[Message] = [user("word " * 100)]
    size = ContextSize("gemini:gemini-2.0-flash", UNKNOWN, 0)
    size.reported(said, Usage(input_tokens=100, output_tokens=7))
    size.answered(AssistantMessage((Text("Seven tokens, it was reported."),)))
    assert size.of([*said, assistant("Seven tokens, it was reported.")]) == 100 + 7 + UNKNOWN.message
