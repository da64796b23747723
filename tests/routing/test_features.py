from math import log1p

import pytest

from emonk.routing.features import NAMES, surface
from emonk.routing.tokens import tokens_of


def seen(question: str) -> dict[str, float]:
    return dict(zip(NAMES, surface(question, tokens_of(question)), strict=True))


@pytest.mark.parametrize(
    ("name", "count"),
    [("comparing words", 4), ("hedging words", 1), ("persons", 2), ("commas", 1), ("different numbers", 2)],
)
def test_each_kind_of_word_is_counted(name: str, count: int) -> None:
    found = seen("She has 12 more than him, twice 12 if 3: what is most striking?")
    assert found[name] == pytest.approx(log1p(count))


def test_operators_are_counted_beside_words() -> None:
    found = seen("solve x + y = 2")
    assert found["operators"] == pytest.approx(log1p(2))
    assert found["operators per word"] == pytest.approx(2 / 3)


def test_a_question_ends_where_its_options_begin() -> None:
    found = seen("Which one?\nA. 10\nB. 2000\nAnswer:")
    assert found["question characters"] == pytest.approx(log1p(len("Which one?")))
    assert found["ends with a question mark"] == 1
    assert (found["options"], found["numeric options"]) == (2, 1)
    assert found["longest option"] == pytest.approx(log1p(4))


def test_an_empty_question_has_no_options() -> None:
    assert seen("")["options"] == 0
