"""What is thought of prompts before any is seen, and how it gives way to what is learnt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emonk.routing import Classifier
from emonk.routing.features import surface
from emonk.routing.prior import FURTHEST, SIGNS, Sign, few, parts, weigh_signs
from emonk.routing.tokens import tokens_of

SHORT = "Tom has 3 apples. He eats 1. How many are left?"
LONG = (
    "Tom has 3 apples, 14 pears and twice as many plums as his sister, who has half of what 250 people eat in a week, "
    "and gives each of his friends, of whom there are 12, more than the rest; how many are left if another one comes?"
)


def looked_at(*prompts: str) -> tuple[list[list[str]], list[list[float]]]:
    tokens = [tokens_of(prompt) for prompt in prompts]
    return tokens, [surface(prompt, words) for prompt, words in zip(prompts, tokens, strict=True)]


def added(signs: list[Sign], prompt: str) -> list[float]:
    tokens, features = looked_at(prompt)
    return list(parts(signs, tokens[0], features[0]))


def test_every_sign_speaks_for_the_lead_where_a_question_has_more_of_it() -> None:
    signs = weigh_signs(*looked_at(SHORT, LONG), unit=0.5)
    assert len(signs) == len(SIGNS)
    assert min(added(signs, LONG)) > 0 > max(added(signs, SHORT))


def test_what_is_usual_adds_nothing() -> None:
    assert added(weigh_signs(*looked_at(SHORT, SHORT), unit=0.5), SHORT) == pytest.approx([0.0] * len(SIGNS))


def test_signs_count_less_the_more_rows_there_are_and_length_keeps_a_little() -> None:
    by_rows = [weigh_signs(*looked_at(*[SHORT, LONG] * count), unit=0.5) for count in (50, 250, 500, 1500, 4000)]
    for place in range(1, len(SIGNS)):
        adds = [signs[place].adds for signs in by_rows]
        assert adds == sorted(adds, reverse=True)
    length, *others = [sign.adds for sign in by_rows[-1]]
    assert length > 0.02 > 0.001 > max(others)


@given(st.text(max_size=300))
def test_a_prompt_unlike_all_others_counts_as_far_as_the_furthest(prompt: str) -> None:
    signs = weigh_signs(*looked_at(SHORT, LONG), unit=0.5)
    for sign, value in zip(signs, added(signs, prompt), strict=True):
        assert abs(value) <= FURTHEST * sign.adds + 1e-12


def test_rows_are_few_up_to_a_thousand_or_so() -> None:
    assert few(0) == 1
    assert few(500) > 0.85
    assert few(1000) == pytest.approx(0.5)
    assert few(6000) < 0.01


def test_of_few_rows_that_tell_nothing_the_harder_looking_prompt_scores_higher() -> None:
    pairs = [(prompt, label) for prompt in (SHORT, LONG, "Add 2 and 3.") for label in (True, False)] * 10
    made = Classifier.train(pairs)
    assert made.score(LONG) > made.score(SHORT)
    assert "commas" in {part.name for part in made.explain(LONG)}
