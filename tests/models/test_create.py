"""Model strings, and what is suggested for those that are misspelt."""

import msgspec
import pytest

from emonk.errors import InvalidConfig
from emonk.models.create import create
from emonk.models.section import LlmSection

ALL = "write gemini:NAME, vertex:NAME, openai:NAME, openai-responses:NAME, anthropic:NAME or offline"


@pytest.mark.parametrize(
    ("spec", "hint"),
    [
        ("offlne", "did you mean offline?"),
        ("gemni:gemini-2.0-flash", "did you mean gemini:gemini-2.0-flash?"),
        ("gemni", "did you mean gemini:NAME?"),
        ("OpenAI:gpt-4o", "did you mean openai:gpt-4o?"),
        ("gpt-4o", "did you mean openai:gpt-4o?"),
        ("o3-mini", "did you mean openai:o3-mini?"),
        ("chatgpt-4o-latest", "did you mean openai:chatgpt-4o-latest?"),
        ("claude-sonnet-5-5", "did you mean anthropic:claude-sonnet-5-5?"),
        ("foo:bar", ALL),
        ("openai:", ALL),
        ("llama", ALL),
        ("offline:x", ALL),
    ],
)
def test_a_misspelt_model_is_answered_with_one_that_is_taken(spec: str, hint: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        create(spec)
    assert caught.value.hint == hint


@pytest.mark.parametrize("key", ["model", "worker", "fallback"])
def test_a_file_says_the_same_of_it_and_under_which_key(key: str) -> None:
    for name, hint in (("gpt-4o", "did you mean openai:gpt-4o?"), ("foo:bar", ALL)):
        said = rf"^llm\.{key} is '{name}', which names no model this version has"
        with pytest.raises(InvalidConfig, match=said) as caught:
            msgspec.convert({"model": "offline", key: name}, LlmSection)
        assert caught.value.hint == hint


def test_a_file_without_a_model_is_told_which_there_are() -> None:
    with pytest.raises(InvalidConfig, match=r"^llm\.model is empty") as caught:
        LlmSection("")
    assert caught.value.hint == ALL
