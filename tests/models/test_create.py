"""Model strings, and what is suggested for those that are misspelt."""

import pytest

from emonk.errors import InvalidConfig
from emonk.models.create import create


@pytest.mark.parametrize(
    ("spec", "hint"),
    [
        ("offlne", "did you mean offline?"),
        ("gemni:gemini-2.0-flash", "did you mean gemini:NAME?"),
        ("llama", "write gemini:NAME or offline"),
        ("offline:x", "write gemini:NAME or offline"),
    ],
)
def test_a_misspelt_model_is_answered_with_one_that_is_taken(spec: str, hint: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        create(spec)
    assert caught.value.hint == hint
