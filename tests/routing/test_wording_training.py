import random
from math import sqrt

import pytest

from emonk.routing.wording import LEAST, Wording
from emonk.routing.wording_training import Lesson, train_wording

WORDS = [
    f"{one}{other}" for one in ("bel", "cor", "dun", "fal", "gim") for other in ("ato", "eki", "ilu", "opa", "uro")
]


def learnt(prompts: list[list[str]], target: list[float]) -> Lesson:
    return train_wording(prompts, target, penalty=1.0, pieces=0.5)


def drawn(count: int) -> list[list[str]]:
    draw = random.Random(3)
    return [draw.choices(WORDS, k=6) for _ in range(count)]


def correlation(one: list[float], other: list[float]) -> float:
    first, second = sum(one) / len(one), sum(other) / len(other)
    pairs = [(a - first, b - second) for a, b in zip(one, other, strict=True)]
    together = sum(a * b for a, b in pairs)
    return together / sqrt(sum(a * a for a, _ in pairs) * sum(b * b for _, b in pairs))


def test_of_chance_nothing_is_said_where_a_prompt_was_not_learnt_from() -> None:
    prompts, draw = drawn(200), random.Random(4)
    target = [draw.choice([-1.0, 1.0]) for _ in prompts]
    lesson = learnt(prompts, target)
    assert correlation([lesson.wording.score(tokens) for tokens in prompts], target) > 0.8
    assert abs(correlation(lesson.unseen, target)) < 0.2


def test_what_words_do_tell_is_said_where_a_prompt_was_not_learnt_from() -> None:
    prompts = drawn(200)
    target = [0.8 if "belato" in tokens else -0.2 for tokens in prompts]
    assert correlation(learnt(prompts, target).unseen, target) > 0.7


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_few_prompts_are_learnt_too(count: int) -> None:
    target = [float(place) - (count - 1) / 2 for place in range(count)]
    assert len(learnt(drawn(count), target).unseen) == count


def test_the_part_that_is_done_goes_from_0_to_1() -> None:
    told: list[float] = []
    train_wording(drawn(60), [1.0, -1.0] * 30, penalty=1.0, pieces=0.5, told=told.append)
    assert told == sorted(told)
    assert told[0] == 0
    assert 0.5 < told[-1] <= 1


def test_a_word_says_more_in_a_short_prompt() -> None:
    wording = Wording(terms={"prove": 0.5 + 4j}, words={}, pieces={})
    said = {size: wording.score(["prove", *["?"] * (size - 1)]) for size in (1, LEAST, 64, 256)}
    assert said[64] == pytest.approx(0.25)
    assert said[256] == pytest.approx(0.125)
    assert said[1] == said[LEAST] == pytest.approx(0.5)


def test_what_pieces_say_of_an_unknown_word_is_kept_for_the_next_prompt() -> None:
    wording = Wording(terms={}, words={}, pieces={" pr": 0.25 + 1j, "ove": 0.5 + 4j})
    unknown: dict[str, complex] = {}
    fresh = wording.score(["prove", "it"])
    assert fresh == wording.score(["prove", "it"], unknown=unknown) == wording.score(["prove", "it"], unknown=unknown)
    assert unknown == {"prove": 0.75 + 5j, "it": 0j}
