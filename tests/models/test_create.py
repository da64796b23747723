"""Model strings, and what is suggested for those that are misspelt."""

import pytest

from emonk.errors import InvalidConfig
from emonk.models.create import create

ALL = "write gemini:NAME, vertex:NAME, openai:NAME, openai-responses:NAME, anthropic:NAME or offline"


@pytest.mark.parametrize(
    ("spec", "hint"),
    [
        ("offlne", "did you mean offline?"),
        ("gemni:gemini-2.0-flash", "did you mean gemini:NAME?"),
        ("llama", ALL),
        ("offline:x", ALL),
    ],
)
def test_a_misspelt_model_is_answered_with_one_that_is_taken(spec: str, hint: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        create(spec)
    assert caught.value.hint == hint
