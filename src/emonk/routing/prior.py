"""What is thought of prompts before any is seen: signs that a question is hard, each of which says a little.

A longer question, with longer sentences and more clauses, that compares more and has more and larger numbers takes more
steps to answer. All signs weigh the same and none is fitted: of few rows, weights would be learnt from noise, and equal
ones do about as well as the best (Dawes, 1979). The more rows there are the less the signs count, since what is learnt
knows better; length alone keeps a little.
"""

from collections.abc import Iterator, Sequence
from math import log1p, sqrt

import msgspec

from emonk.routing.features import NAMES

LENGTH = "length"
COUNTED = ("sentence length", "commas", "comparing words", "different numbers", "largest number")
SIGNS = (LENGTH, *COUNTED)
_PLACES = tuple(NAMES.index(name) for name in COUNTED)

ALL_SIGNS = 0.6
"""Deviations of the target that all signs add, if rows are few, where each is a deviation above what is usual."""
FEW_ROWS = 1000
"""With so many rows signs count half of that."""
LENGTH_STAYS = 0.06
"""Deviations of the target that length adds however many rows there are."""
LENGTH_ALONE, LENGTH_ROWS = 0.6, 200
"""And how much more where rows are too many for the other signs: this, fading with the number of rows."""
FURTHEST = 2.0
"""Deviations that count: a prompt shorter or longer than all that were seen is as they are."""
LEAST_SPREAD = 0.4
"""A deviation of a sign is at least this, as between prompts of one kind: what hardly differs says little."""


class Sign(msgspec.Struct, frozen=True):
    """One of `SIGNS`.

    Attributes:
        usual: its mean.
        spread: its deviation, above 0.
        adds: what each deviation above the mean adds to a score.
    """

    usual: float
    spread: float
    adds: float


def few(rows: int) -> float:
    """How far rows are few: from 1, of none, to 0, of many."""
    return 1 / (1 + (rows / FEW_ROWS) ** 3)


def weigh_signs(tokens: Sequence[Sequence[str]], features: Sequence[Sequence[float]], unit: float) -> list[Sign]:
    """The signs as they are in these prompts.

    Args:
        tokens: of each prompt.
        features: of each prompt.
        unit: a deviation of the target.
    """
    rows = len(tokens)
    each = unit * ALL_SIGNS * few(rows) / len(SIGNS)
    length = unit * (LENGTH_STAYS + LENGTH_ALONE * LENGTH_ROWS / (rows + LENGTH_ROWS) * (1 - few(rows)))
    columns = zip(*map(_seen, tokens, features), strict=True)
    means = [(sum(column) / rows, max(deviation(column), LEAST_SPREAD)) for column in columns]
    return [Sign(*mean, each + length * (place == 0)) for place, mean in enumerate(means)]


def parts(signs: Sequence[Sign], tokens: Sequence[str], features: Sequence[float]) -> Iterator[float]:
    """What each sign adds to the score of a prompt."""
    for sign, value in zip(signs, _seen(tokens, features), strict=True):
        yield sign.adds * min(max((value - sign.usual) / sign.spread, -FURTHEST), FURTHEST)


def deviation(values: Sequence[float]) -> float:
    """The standard deviation."""
    mean = sum(values) / len(values)
    return sqrt(sum((value - mean) ** 2 for value in values) / len(values))


def _seen(tokens: Sequence[str], features: Sequence[float]) -> list[float]:
    return [log1p(len(tokens)), *(features[place] for place in _PLACES)]
