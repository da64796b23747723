import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emonk.errors import InvalidConfig
from emonk.routing.evaluate import (
    Prices,
    divide,
    judge,
    length_scores,
    oracle_scores,
    out_of_fold_scores,
    random_figures,
)
from emonk.routing.outcomes import Outcome


def outcomes(count: int = 400, seed: int = 3) -> list[Outcome]:
    draw = random.Random(seed)
    return [Outcome("x" * draw.randint(1, 90), draw.random() < 0.6, draw.random() < 0.85) for _ in range(count)]


ROWS = st.lists(st.builds(Outcome, st.text(), st.booleans(), st.booleans()), min_size=2, max_size=40).filter(
    lambda rows: any(row.lead_correct for row in rows)
)


def test_ten_prompts_by_hand() -> None:
    """The worker is right in 4 of 10, the lead in 8; the first four calls of the lead are its gains."""
    rows = [Outcome("p", False, True)] * 4 + [Outcome("p", True, True)] * 4 + [Outcome("p", False, False)] * 2
    found = judge([float(-n) for n in range(10)], rows, Prices(0.0, 1.0))
    assert found.quality == pytest.approx(8 / 8)
    assert found.apgr == pytest.approx((0.5 * 4 * 4 + 4 * 6) / 10 / 4)
    assert found.saving == pytest.approx(0.6)


def test_at_these_prices_30_percent_less_are_69_7_percent_of_calls_to_the_lead() -> None:
    rows = [Outcome("p", False, True)] * 1000
    assert judge([0.0] * 1000, rows).quality == pytest.approx(0.697)


def test_random_orders_recover_half_the_gap() -> None:
    found = random_figures(outcomes(2000))
    assert found.apgr == pytest.approx(0.5, abs=0.03)


@given(ROWS, st.randoms())
def test_no_order_is_better_than_the_oracles(rows: list[Outcome], draw: random.Random) -> None:
    best = judge(oracle_scores(rows), rows)
    one = judge([draw.random() for _ in rows], rows)
    assert one.quality <= best.quality + 1e-9
    assert one.saving <= best.saving + 1e-9
    if one.apgr is not None and best.apgr is not None:
        assert one.apgr <= best.apgr + 1e-9


@given(st.integers(4, 200), st.integers(2, 7), st.integers(0, 5))
def test_every_place_is_unseen_once(count: int, folds: int, seed: int) -> None:
    seen: list[int] = []
    for known, unseen in divide(count, folds, seed):
        assert not set(known) & set(unseen)
        assert sorted(known + unseen) == list(range(count))
        seen += unseen
    assert sorted(seen) == list(range(count))


def test_scores_come_from_what_was_trained_without_the_prompt() -> None:
    rows = [Outcome(f"prompt {n}", n % 3 > 0, True) for n in range(30)]

    def learn(pairs: list[tuple[str, bool]]) -> Callable[[str], float]:
        known = dict(pairs)
        return lambda text: float(text in known)

    assert out_of_fold_scores(rows, train=learn) == [0.0] * 30


def test_a_classifier_beats_chance_where_length_tells() -> None:
    draw = random.Random(5)
    rows = [Outcome("word " * n, draw.random() > n / 40, True) for n in [draw.randint(1, 39) for _ in range(200)]]
    heard: list[float] = []
    scores = out_of_fold_scores(rows, folds=3, told=heard.append)
    apgr = judge(scores, rows).apgr
    assert apgr is not None
    assert apgr > 0.6
    assert heard == pytest.approx([1 / 3, 2 / 3, 1])
    assert judge(length_scores(rows), rows).apgr == pytest.approx(apgr, abs=0.2)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([Outcome("a", True), Outcome("b", False, True)], "1 of 2 rows do not say"),
        ([Outcome("a", True, False)], "never right"),
    ],
)
def test_rows_that_say_too_little_are_named(rows: list[Outcome], said: str) -> None:
    with pytest.raises(InvalidConfig, match=said):
        judge([0.0] * len(rows), rows)


@pytest.mark.parametrize(("count", "folds"), [(3, 2), (100, 1), (100, 51)])
def test_there_are_two_rows_for_each_fold(count: int, folds: int) -> None:
    with pytest.raises(InvalidConfig, match="folds"):
        out_of_fold_scores(outcomes(count), folds=folds)


@pytest.mark.parametrize("prices", [(1.0, 1.0), (2.0, 1.0), (-1.0, 1.0), (float("nan"), 1.0), (1.0, float("inf"))])
def test_a_worker_costs_less(prices: tuple[float, float]) -> None:
    with pytest.raises(InvalidConfig, match="the worker's price"):
        Prices(*prices)
